//! How telephone numbers are dialled, by country: what is needed to bring them to the form E.164.
//!
//! <https://www.itu.int/rec/T-REC-E.164>, <https://www.itu.int/oth/T0202.aspx?lang=en&parent=T0202>

/// How numbers are dialled in a country.
#[derive(Debug)]
pub(super) struct Dialling {
    /// The country, by ISO 3166.
    pub region: &'static str,
    /// Its calling code.
    pub code: &'static str,
    /// What is dialled before a foreign calling code.
    pub international: &'static str,
    /// What is dialled before a number inside the country, and left out from abroad; may be empty.
    pub trunk: &'static str,
}

/// The country of that code, if it is known.
pub(super) fn dialling(region: &str) -> Option<&'static Dialling> {
    COUNTRIES.iter().find(|country| country.region == region)
}

/// The countries that are known.
pub(super) fn regions() -> impl Iterator<Item = &'static str> {
    COUNTRIES.iter().map(|country| country.region)
}

const fn country(
    region: &'static str,
    code: &'static str,
    international: &'static str,
    trunk: &'static str,
) -> Dialling {
    Dialling { region, code, international, trunk }
}

const COUNTRIES: &[Dialling] = &[
    country("AE", "971", "00", "0"),
    country("AR", "54", "00", "0"),
    country("AT", "43", "00", "0"),
    country("AU", "61", "0011", "0"),
    country("BE", "32", "00", "0"),
    country("BG", "359", "00", "0"),
    country("BR", "55", "00", "0"),
    country("CA", "1", "011", "1"),
    country("CH", "41", "00", "0"),
    country("CN", "86", "00", "0"),
    country("CZ", "420", "00", ""),
    country("DE", "49", "00", "0"),
    country("DK", "45", "00", ""),
    country("DZ", "213", "00", "0"),
    country("EE", "372", "00", ""),
    country("EG", "20", "00", "0"),
    country("ES", "34", "00", ""),
    country("FI", "358", "00", "0"),
    country("FR", "33", "00", "0"),
    country("GB", "44", "00", "0"),
    country("GR", "30", "00", ""),
    country("HR", "385", "00", "0"),
    country("HU", "36", "00", "06"),
    country("IE", "353", "00", "0"),
    country("IL", "972", "00", "0"),
    country("IN", "91", "00", "0"),
    country("IT", "39", "00", ""),
    country("JP", "81", "010", "0"),
    country("LU", "352", "00", ""),
    country("LV", "371", "00", ""),
    country("MA", "212", "00", "0"),
    country("MX", "52", "00", ""),
    country("NL", "31", "00", "0"),
    country("NO", "47", "00", ""),
    country("NZ", "64", "00", "0"),
    country("PL", "48", "00", ""),
    country("PT", "351", "00", ""),
    country("RO", "40", "00", "0"),
    country("SE", "46", "00", "0"),
    country("SG", "65", "00", ""),
    country("SI", "386", "00", "0"),
    country("SK", "421", "00", "0"),
    country("SN", "221", "00", ""),
    country("TN", "216", "00", ""),
    country("TR", "90", "00", "0"),
    country("UA", "380", "00", "0"),
    country("US", "1", "011", "1"),
    country("ZA", "27", "00", "0"),
];
