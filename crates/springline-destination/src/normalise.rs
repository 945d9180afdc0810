//! The form a value must have before it leaves, and its hash: what a destination compares people by.
//!
//! A value that has no such form is taken for absent: the hash of an empty text, or of half a number, would be an
//! identifier of nobody. The rules are those of the vendors, held to by the vectors in `tests/destinations/hashes.yaml`.
//!
//! Must not know: requests, or any particular destination.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use sha2::{Digest, Sha256};

use crate::encode::in_utc;
use crate::{Batch, DestinationError, FieldSpec, Hashing};

/// The form that the values of a field are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normaliser {
    /// Any type, as it is.
    AsIs,
    /// Text without space around it.
    Trim,
    /// [`Normaliser::Trim`] in lower case: mobile advertising ids, genders' letters.
    Lower,
    /// An address of email: without space around it, in lower case; dots and what follows a `+` stay.
    Email,
    /// As Google compares addresses of email: without any space, and at gmail.com and googlemail.com without dots.
    GoogleEmail {
        /// Whether a `+` and what follows it go as well.
        drop_tag: bool,
    },
    /// A telephone number as digits that begin with the calling code of its country, as in `33612345678`.
    PhoneDigits {
        /// The calling code of numbers written without one, such as `33`.
        calling_code: Option<CallingCode>,
    },
    /// A telephone number in the form E.164, as in `+33612345678`.
    PhoneE164 {
        /// The calling code of numbers written without one, such as `33`.
        calling_code: Option<CallingCode>,
    },
    /// A name: lower case, without punctuation; letters of every script stay.
    Name,
    /// The first letter of [`Normaliser::Name`].
    Initial,
    /// `f` or `m`, from these letters or the English words.
    Gender,
    /// Four digits of a year.
    Year,
    /// A month or day as two digits.
    TwoDigits,
    /// A date as eight digits, as in `19900102`.
    DateDigits,
    /// A city or a region: lower case letters, without spaces and punctuation.
    Place,
    /// A postal code: lower case, without spaces; of a code of the United States the first five digits.
    PostalCode,
    /// The two letters of a country by ISO 3166, in lower case.
    Country,
}

/// The calling code of a country: its digits as a number, 1 to 999.
pub type CallingCode = u16;

impl Normaliser {
    /// The value in this form; `None` where it has none.
    pub fn apply(self, value: &str) -> Option<String> {
        let value = value.trim();
        let normalised = match self {
            Self::AsIs | Self::Trim => value.to_owned(),
            Self::Lower => value.to_lowercase(),
            Self::Email => email(value)?,
            Self::GoogleEmail { drop_tag } => google_email(value, drop_tag)?,
            Self::PhoneDigits { calling_code } => phone(value, calling_code, true)?,
            Self::PhoneE164 { calling_code } => format!("+{}", phone(value, calling_code, false)?),
            Self::Name => name(value),
            Self::Initial => name(value).chars().take(1).collect(),
            Self::Gender => gender(value)?.to_owned(),
            Self::Year => whole(value, 4)?,
            Self::TwoDigits => whole(&format!("{value:0>2}"), 2)?,
            Self::DateDigits => whole(&value.chars().filter(|c| *c != '-').collect::<String>(), 8)?,
            Self::Place => name(value).split_whitespace().collect(),
            Self::PostalCode => postal_code(value),
            Self::Country => Some(value.to_lowercase()).filter(|code| code.len() == 2)?,
        };
        Some(normalised).filter(|text| !text.is_empty())
    }
}

fn email(value: &str) -> Option<String> {
    let (account, domain) = value.rsplit_once('@')?;
    (!account.is_empty() && !domain.is_empty()).then(|| value.to_lowercase())
}

fn google_email(value: &str, drop_tag: bool) -> Option<String> {
    let whole = email(&value.split_whitespace().collect::<String>())?;
    let (account, domain) = whole.rsplit_once('@')?;
    if !matches!(domain, "gmail.com" | "googlemail.com") {
        return Some(whole);
    }
    let account = if drop_tag { account.split('+').next().unwrap_or_default() } else { account };
    Some(format!("{}@{domain}", account.replace('.', ""))).filter(|email| !email.starts_with('@'))
}

/// The digits of a number from its country's calling code on.
///
/// A number is taken for international where it begins with `+` or `00`. Of another one the digits dialled inside the
/// country (`0`; `1` in North America) give way to `calling_code`; without that it is taken as it stands if
/// `bare_is_international` and no `0` leads it, else it has no form: a guess could name another person.
fn phone(value: &str, calling_code: Option<CallingCode>, bare_is_international: bool) -> Option<String> {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let international = if value.starts_with('+') { Some(digits.as_str()) } else { digits.strip_prefix("00") };
    let full = match (international, calling_code) {
        (Some(digits), _) => digits.to_owned(),
        (None, Some(1)) => format!("1{}", digits.strip_prefix('1').filter(|rest| rest.len() == 10).unwrap_or(&digits)),
        (None, Some(code)) => format!("{code}{}", digits.strip_prefix('0').unwrap_or(&digits)),
        (None, None) if bare_is_international => digits,
        (None, None) => return None,
    };
    // E.164: at most 15 digits, and no calling code begins with a zero.
    ((7..=15).contains(&full.len()) && !full.starts_with('0')).then_some(full)
}

fn name(value: &str) -> String {
    let kept = value.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || is_mark(*c));
    kept.collect::<String>().to_lowercase()
}

/// Accents that stand beside their letter, which is how some systems write `é`.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

fn gender(value: &str) -> Option<&'static str> {
    match value.to_lowercase().as_str() {
        "f" | "female" => Some("f"),
        "m" | "male" => Some("m"),
        _ => None,
    }
}

fn whole(value: &str, digits: usize) -> Option<String> {
    (value.len() == digits && value.bytes().all(|byte| byte.is_ascii_digit())).then(|| value.to_owned())
}

fn postal_code(value: &str) -> String {
    let code: String = value.split_whitespace().collect::<String>().to_lowercase();
    match code.split_once('-') {
        Some((five, rest)) if whole(five, 5).is_some() && whole(rest, 4).is_some() => five.to_owned(),
        _ => code,
    }
}

/// SHA-256 of the text as lower-case hexadecimal digits.
pub(crate) fn sha256_hex(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}

/// What leaves for one value of a field; `None` where that is nothing.
pub(crate) fn leaving(field: &FieldSpec, value: &str) -> Option<String> {
    match field.hashing {
        Hashing::Plain => field.normaliser.apply(value),
        Hashing::Sha256 => field.normaliser.apply(value).map(|text| sha256_hex(&text)),
        Hashing::Done => Some(value.trim().to_lowercase()).filter(|hash| is_hash(hash)),
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The same rows with the values of `fields` normalised and, where the destination is fed hashes, hashed.
pub(crate) fn apply(fields: &[FieldSpec], batch: Batch) -> Result<Batch, DestinationError> {
    let changes = |field: &FieldSpec| field.normaliser != Normaliser::AsIs || field.hashing != Hashing::Plain;
    let schema = batch.fields.schema();
    let ours = |field: &Field| fields.iter().find(|spec| spec.name == field.name() && changes(spec));
    if !schema.fields().iter().any(|field| ours(field).is_some()) {
        return Ok(batch);
    }
    let rows = in_utc(&batch.fields)?;
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(rows.num_columns());
    let mut types = Vec::with_capacity(rows.num_columns());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let Some(spec) = ours(field) else {
            columns.push(Arc::clone(column));
            types.push(Arc::clone(field));
            continue;
        };
        let texts = cast(column, &DataType::Utf8)?;
        let left = texts.as_string::<i32>().iter().map(|value| value.and_then(|value| leaving(spec, value)));
        columns.push(Arc::new(left.collect::<StringArray>()));
        types.push(Arc::new(Field::clone(field).with_data_type(DataType::Utf8)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    let fields = RecordBatch::try_new_with_options(Arc::new(Schema::new(types)), columns, &options)?;
    Ok(Batch { fields, ..batch })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::ChangeKind;
    use crate::testing::batch_of;

    /// A line of the vectors.
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vector {
        normaliser: String,
        drop_tag: Option<bool>,
        calling_code: Option<CallingCode>,
        input: String,
        form: String,
        sha256: Option<String>,
    }

    fn named(vector: &Vector) -> Normaliser {
        let calling_code = vector.calling_code;
        match vector.normaliser.as_str() {
            "trim" => Normaliser::Trim,
            "lower" => Normaliser::Lower,
            "email" => Normaliser::Email,
            "google_email" => Normaliser::GoogleEmail { drop_tag: vector.drop_tag.unwrap() },
            "phone_digits" => Normaliser::PhoneDigits { calling_code },
            "phone_e164" => Normaliser::PhoneE164 { calling_code },
            "name" => Normaliser::Name,
            "initial" => Normaliser::Initial,
            "gender" => Normaliser::Gender,
            "year" => Normaliser::Year,
            "two_digits" => Normaliser::TwoDigits,
            "date_digits" => Normaliser::DateDigits,
            "place" => Normaliser::Place,
            "postal_code" => Normaliser::PostalCode,
            "country" => Normaliser::Country,
            other => panic!("there is no normaliser `{other}`"),
        }
    }

    #[test]
    fn the_vectors_hold() {
        let text = include_str!("../../../tests/destinations/hashes.yaml");
        let vectors: Vec<Vector> = serde_saphyr::from_str(text).unwrap();
        assert_eq!(vectors.len(), 38);
        for vector in vectors {
            let form = named(&vector).apply(&vector.input);
            assert_eq!(form.clone().unwrap_or_default(), vector.form, "{:?}", vector.input);
            assert_eq!(form.as_deref().map(sha256_hex), vector.sha256, "{:?}", vector.input);
        }
    }

    #[test]
    fn what_has_no_form_is_absent() {
        let absent = |normaliser: Normaliser, value: &str| assert_eq!(normaliser.apply(value), None, "{value:?}");
        absent(Normaliser::Email, "");
        absent(Normaliser::Email, "   ");
        absent(Normaliser::Email, "nobody");
        absent(Normaliser::Email, "@example.com");
        absent(Normaliser::GoogleEmail { drop_tag: true }, "+all@gmail.com");
        absent(Normaliser::PhoneDigits { calling_code: None }, "06 12 34 56 78");
        absent(Normaliser::PhoneE164 { calling_code: None }, "15559876543");
        absent(Normaliser::PhoneE164 { calling_code: Some(33) }, "none");
        absent(Normaliser::Gender, "unknown");
        absent(Normaliser::Year, "90");
        absent(Normaliser::TwoDigits, "123");
        absent(Normaliser::Name, "-");
        absent(Normaliser::Country, "France");
    }

    #[test]
    fn only_hashes_pass_for_hashes() {
        let field = FieldSpec { hashing: Hashing::Done, ..FieldSpec::identifier("email", Normaliser::Email, "") };
        let hash = sha256_hex("test@example.com");
        assert_eq!(leaving(&field, &hash.to_uppercase()), Some(hash));
        assert_eq!(leaving(&field, "test@example.com"), None);
        // 32 digits are an MD5.
        assert_eq!(leaving(&field, "3a2c0017812ec407d43b0e2ae33cffc6"), None);
    }

    #[test]
    fn a_batch_leaves_hashed_and_its_removed_rows_empty() {
        let fields = [FieldSpec::identifier("text", Normaliser::Email, "").hashed()];
        let batch = batch_of(&[(" Test@Example.com ", ChangeKind::Added), ("gone@b.co", ChangeKind::Removed)]);
        let left = apply(&fields, batch.clone()).unwrap();
        let column = left.fields.column(0).as_string::<i32>();
        let expected = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b";
        assert_eq!(column.iter().collect::<Vec<_>>(), [Some(expected), None]);
        assert_eq!(left.keys, batch.keys);
        assert!(apply(&[], batch.clone()).unwrap() == batch);
    }
}
