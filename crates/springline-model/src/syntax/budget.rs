//! What a command may cost: amounts of data and of money. Nothing is known here of what a warehouse charges.

use crate::{Code, Diagnostic};

use super::decl::decl;
use super::decode::{Decode, Shape, wrong_shape};
use super::node::{Node, NodeKind, Spanned};

decl! {
    /// What one command may read and cost at most, where the warehouse tells it beforehand. A command that would go
    /// beyond fails before it reads anything.
    BudgetDecl {
        /// The most that is read, such as `50 GB` or `1.5 TiB`.
        max_bytes: Option<Spanned<Bytes>>,
        /// The most that it costs, in the currency of the target's `price_per_tib`.
        max_cost: Option<Spanned<Money>>,
    }
}

/// An amount of data, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub u64);

/// An amount of money, in the currency that the user thinks in; not below zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Money(pub f64);

/// The units of data and their bytes, as the IEC and the SI have them.
const UNITS: &[(&str, u64)] = &[
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("B", 1),
];

impl Bytes {
    /// Reads a number with a unit, or a whole number of bytes.
    fn read(text: &str) -> Option<Bytes> {
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim_end(), *bytes)));
        let (number, unit) = unit.unwrap_or((text, 1));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 || number.ends_with('.') {
            return None;
        }
        let millionths: u128 = format!("{whole}{fraction:0<6}").parse().ok()?;
        u64::try_from(millionths.checked_mul(u128::from(unit))? / 1_000_000).ok().map(Bytes)
    }
}

impl Decode for Spanned<Bytes> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        read(node, out, "an amount of data", "write a number and a unit, such as `50 GB` or `1.5 TiB`", Bytes::read)
    }

    fn shape() -> Shape {
        Shape::Value
    }
}

impl Decode for Spanned<Money> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0).map(Money);
        read(node, out, "an amount of money", "write a number without a currency, such as `6.25`", number)
    }

    fn shape() -> Shape {
        Shape::Value
    }
}

fn read<T>(
    node: &Node,
    out: &mut Vec<Diagnostic>,
    what: &str,
    hint: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Spanned<T>> {
    let NodeKind::Scalar(scalar) = &node.kind else {
        out.push(wrong_shape(node, what).hint(hint));
        return None;
    };
    let text = scalar.text.trim();
    let Some(value) = parse(text) else {
        out.push(Diagnostic::error(Code::InvalidValue, node.span, format!("`{text}` is not {what}")).hint(hint));
        return None;
    };
    Some(Spanned { value, span: node.span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_data_have_units() {
        let read = |text: &str| Bytes::read(text).map(|bytes| bytes.0);
        assert_eq!(read("50 GB"), Some(50_000_000_000));
        assert_eq!(read("1.5TiB"), Some(3 << 39));
        assert_eq!(read("0.000001 MB"), Some(1));
        assert_eq!(read("12"), Some(12));
        assert_eq!(read("12 B"), Some(12));
        for text in ["", "GB", "-1 GB", "1. GB", "1e3", "5 gb", "99999999999 PB", "1.0000001 GB", "5 Gb"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
