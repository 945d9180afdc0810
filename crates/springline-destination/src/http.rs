//! What every destination over HTTP shares: the client, the guard against private addresses, and the reading of
//! statuses, `Retry-After` and error texts.
//!
//! Must not know: any destination's paths or bodies. No text it yields holds a URL, which may carry a token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use crate::{Answer, Usage};

/// Most characters of a destination's error text that are kept.
const MESSAGE_LENGTH: usize = 300;

/// Most bytes of an answer's body that are read.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A host led to addresses that are not on the public internet.
#[derive(Debug, thiserror::Error)]
#[error("the host resolves to a private, loopback or link-local address, which is not allowed")]
pub(crate) struct BlockedAddress;

/// A client that follows no redirect, uses no proxy and, unless `allow_private`, connects to public addresses alone.
///
/// A proxy would resolve names in our stead and so step around the guard.
pub(crate) fn client(timeout: Duration, allow_private: bool) -> Result<Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // It fails only when the process has a provider already, and then that one is used.
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider is installed already");
        }
    });
    let builder = Client::builder()
        .user_agent(concat!("springline/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(10)));
    let builder = if allow_private { builder } else { builder.dns_resolver(Arc::new(PublicAddresses)) };
    builder.build()
}

/// The system's resolver without the addresses that are not public.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = public_addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

async fn public_addresses(host: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let found = tokio::net::lookup_host((host, 0)).await?;
    let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() { Err(Box::new(BlockedAddress)) } else { Ok(public) }
}

/// Opens a connection to the URL's host and closes it again.
pub(crate) async fn dial(
    url: &reqwest::Url,
    port: u16,
    allow_private: bool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut addresses: Vec<SocketAddr> = match literal_address(url) {
        Some(address) => vec![(address, port).into()],
        None if allow_private => tokio::net::lookup_host((url.host_str().unwrap_or_default(), port)).await?.collect(),
        None => public_addresses(url.host_str().unwrap_or_default()).await?,
    };
    addresses.iter_mut().for_each(|address| address.set_port(port));
    tokio::net::TcpStream::connect(&addresses[..]).await?;
    Ok(())
}

/// The address a URL names in place of a host, if it does: such a URL never reaches the resolver.
pub(crate) fn literal_address(url: &reqwest::Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is on the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => embedded_v4(address).map_or_else(|| is_public_v6(address), is_public_v4),
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let special = address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || (first == 0x2001 && second == 0x0db8)
        // Site-local: deprecated, still routed inside some networks.
        || (first & 0xffc0) == 0xfec0;
    !special
}

/// The IPv4 address inside a mapped, compatible, NAT64 or 6to4 address: the packet ends there.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        // `::` and `::1` belong to IPv6 itself.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// How long `Retry-After` asks to wait, given in seconds or as a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    // A date in the past means: at once.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// The names of the headers that tell how many requests are left, and in which unit they count time.
pub(crate) struct UsageHeaders {
    /// Requests allowed in the window.
    pub(crate) limit: &'static str,
    /// Requests left of them.
    pub(crate) remaining: &'static str,
    /// Time until the window ends, or its length.
    pub(crate) reset: &'static str,
    /// The unit of `reset`.
    pub(crate) unit: Duration,
}

/// `RateLimit-Limit`, `-Remaining` and `-Reset` in seconds:
/// <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06#section-5>.
pub(crate) const RATE_LIMIT: UsageHeaders = UsageHeaders {
    limit: "ratelimit-limit",
    remaining: "ratelimit-remaining",
    reset: "ratelimit-reset",
    unit: Duration::from_secs(1),
};

/// What the headers of an answer tell of the allowance; `None` unless limit and remaining are there as numbers.
pub(crate) fn usage(headers: &HeaderMap, names: &UsageHeaders) -> Option<Usage> {
    // A limit may be followed by the windows it stands for: `100, 100;w=10`.
    let number =
        |name: &str| -> Option<u32> { headers.get(name)?.to_str().ok()?.split([',', ';']).next()?.trim().parse().ok() };
    let (limit, left) = (number(names.limit)?, number(names.remaining)?);
    let used = 1.0 - f64::from(left) / f64::from(limit.max(1));
    let resets_in = number(names.reset).and_then(|reset| names.unit.checked_mul(reset));
    Some(Usage { used: used.max(0.0), left: Some(left.into()), resets_in })
}

/// The latest usage that a destination was told, until it is asked for.
#[derive(Debug, Default)]
pub(crate) struct LatestUsage(Mutex<Option<Usage>>);

impl LatestUsage {
    /// Keeps what an answer told, if it told anything.
    pub(crate) fn note(&self, usage: Option<Usage>) {
        if usage.is_some() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = usage;
        }
    }

    /// Hands out what was kept, once.
    pub(crate) fn take(&self) -> Option<Usage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Classifies a request that got no answer.
pub(crate) fn unanswered(error: reqwest::Error) -> Answer {
    let mut reasons = Vec::new();
    let error = error.without_url();
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if cause.is::<BlockedAddress>() {
            return Answer::Fatal { code: "blocked_address".into(), message: BlockedAddress.to_string() };
        }
        reasons.push(cause.to_string());
        source = cause.source();
    }
    let reason = if error.is_timeout() { "no answer in time".to_owned() } else { reasons.join(": ") };
    Answer::Retry { after: None, reason: readable(&reason) }
}

/// The answer's body as far as it is worth reading.
pub(crate) async fn body(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = BODY_LIMIT.saturating_sub(body.len());
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    Ok(body)
}

/// `http_422`: the code that groups reasons of one status.
pub(crate) fn status_code(status: StatusCode) -> String {
    format!("http_{}", status.as_u16())
}

/// Whether a status tells of a state that passes. 425 is "too early" (RFC 8470).
pub(crate) fn passes(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// A foreign text made fit for one line of a report: no control characters, single spaces, shortened.
pub(crate) fn readable(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
    let words = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= MESSAGE_LENGTH {
        return words;
    }
    let mut short: String = words.chars().take(MESSAGE_LENGTH).collect();
    short.push('…');
    short
}

/// Characters that reorder or hide the text around them on a terminal.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_off_the_public_internet_are_told_apart() {
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "203.0.113.5",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn every_spelling_of_a_literal_address_is_seen() {
        for url in ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://[::1]:80/", "http://0177.0.0.1/"] {
            let address = literal_address(&url.parse().unwrap());
            assert!(address.is_some_and(|address| !is_public(address)), "{url} gave {address:?}");
        }
        assert_eq!(literal_address(&"https://example.com/".parse().unwrap()), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_date() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(37)));
        assert_eq!(after("Sun, 06 Nov 1994 08:48:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-5"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn usage_is_read_from_headers_that_hold_numbers() {
        let told = |limit: &str, remaining: &str, reset: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("ratelimit-limit", limit.parse().unwrap());
            headers.insert("ratelimit-remaining", remaining.parse().unwrap());
            reset.map(|reset| headers.insert("ratelimit-reset", reset.parse().unwrap()));
            usage(&headers, &RATE_LIMIT)
        };
        let seconds = Duration::from_secs;
        assert_eq!(
            told("100", "25", Some("8")),
            Some(Usage { used: 0.75, left: Some(25), resets_in: Some(seconds(8)) })
        );
        assert_eq!(told("10, 10;w=1", "10", None), Some(Usage { used: 0.0, left: Some(10), resets_in: None }));
        // More left than allowed is nothing used; a limit of zero is all used.
        assert_eq!(told("10", "20", None).map(|usage| usage.used), Some(0.0));
        assert_eq!(told("0", "0", None).map(|usage| usage.used), Some(1.0));
        assert_eq!(told("many", "3", None), None);
        assert_eq!(told("10", "-1", None), None);
        assert_eq!(usage(&HeaderMap::new(), &RATE_LIMIT), None);
    }

    #[test]
    fn foreign_text_is_tamed() {
        assert_eq!(readable("a\r\nb\x1b[31m\tc\u{202e}d"), "a b [31m c d");
        let long = readable(&"x".repeat(5_000));
        assert_eq!(long.chars().count(), MESSAGE_LENGTH + 1);
    }
}
