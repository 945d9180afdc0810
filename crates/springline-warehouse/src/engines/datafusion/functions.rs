//! Functions of one row that DataFusion lacks: what a clock in a time zone shows, the calendar, paths into JSON, and
//! the ends of lists. It must not know tables or statements.

mod calendar;
mod lists;
mod texts;

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, TimeUnit},
};
use datafusion::{
    common::{Result, exec_datafusion_err},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use std::hash::{Hash, Hasher};

/// The functions, ready to be registered.
pub(crate) fn all() -> impl Iterator<Item = ScalarUDF> {
    let functions = [
        Function::new("local_time", |_| vec![INSTANT, DataType::Utf8], |_| INSTANT, calendar::local_time),
        Function::new("instant_of", |_| vec![INSTANT, DataType::Utf8], |_| INSTANT, calendar::instant_of),
        Function::new("date_add", calendar::inputs, calendar::output, calendar::date_add),
        Function::new("json_text", |_| vec![DataType::Utf8, DataType::Utf8], |_| DataType::Utf8, texts::json_text),
        Function::new("hex_number", |_| vec![DataType::Utf8], |_| DataType::Int64, texts::hex_number),
        Function::new(
            "jaro_winkler",
            |_| vec![DataType::Utf8, DataType::Utf8],
            |_| DataType::Float64,
            texts::jaro_winkler,
        ),
        Function::new("list_percentile", lists::percentile_inputs, |_| DataType::Float64, lists::percentile),
        Function::new("list_head", lists::head_inputs, lists::head_output, lists::head),
    ];
    functions.into_iter().map(ScalarUDF::from)
}

/// How the engine holds an instant.
const INSTANT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// A function from columns to a column.
#[derive(Debug)]
struct Function {
    name: &'static str,
    signature: Signature,
    /// The types it takes, for arguments of these.
    inputs: fn(&[DataType]) -> Vec<DataType>,
    /// The type it gives, for arguments of the types it takes.
    output: fn(&[DataType]) -> DataType,
    compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
}

impl Function {
    fn new(
        name: &'static str,
        inputs: fn(&[DataType]) -> Vec<DataType>,
        output: fn(&[DataType]) -> DataType,
        compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
    ) -> Self {
        Function { name, signature: Signature::user_defined(Volatility::Immutable), inputs, output, compute }
    }
}

/// There is one function of a name.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let inputs = (self.inputs)(arguments);
        if inputs.len() == arguments.len() {
            return Ok(inputs);
        }
        Err(exec_datafusion_err!("{} takes {} arguments, found {}", self.name, inputs.len(), arguments.len()))
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok((self.output)(arguments))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<ArrayRef> = args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array((self.compute)(&columns)?))
    }
}
