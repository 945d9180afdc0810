//! The function `stable_hash(text)`: the first 8 hexadecimal digits of the MD5 of the UTF-8 bytes as a number from 0
//! to 4294967295; null for null. Samples are drawn with it, so that it must be the same on every engine and for ever.
//! It must not know tables or statements.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::cast::as_string_view_array;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use md5::{Digest, Md5};

/// The function, ready to be registered.
pub(crate) fn stable_hash() -> ScalarUDF {
    let text = [DataType::Utf8View, DataType::Utf8, DataType::LargeUtf8].map(|ty| TypeSignature::Exact(vec![ty]));
    ScalarUDF::from(StableHash { signature: Signature::one_of(text.into(), Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StableHash {
    signature: Signature,
}

impl ScalarUDFImpl for StableHash {
    fn name(&self) -> &str {
        "stable_hash"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts] = args.args.as_slice() else { return Err(exec_datafusion_err!("stable_hash takes one argument")) };
        let texts = texts.to_array(args.number_rows)?;
        let hashes: Int64Array = match texts.data_type() {
            DataType::Utf8 => texts.as_string::<i32>().iter().map(|text| text.map(hash)).collect(),
            DataType::LargeUtf8 => texts.as_string::<i64>().iter().map(|text| text.map(hash)).collect(),
            _ => as_string_view_array(&texts)?.iter().map(|text| text.map(hash)).collect(),
        };
        Ok(ColumnarValue::Array(Arc::new(hashes)))
    }
}

/// Four bytes are eight hexadecimal digits.
fn hash(text: &str) -> i64 {
    let [a, b, c, d, ..] = Md5::digest(text).0;
    i64::from(u32::from_be_bytes([a, b, c, d]))
}
