//! What a warehouse says of itself, and of a query before it is run. It must not know what is done with the answers.

/// What a warehouse is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The engine's own words for its version.
    pub version: String,
    /// The user (or role, or service account) that statements run as; `None` where there are no users.
    pub user: Option<String>,
    /// What its clock shows, in microseconds since 1970 UTC; `None` where it is this machine's clock.
    pub now: Option<i64>,
}

/// What a query would read, as far as the engine tells without running it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes that would be read (and billed, where an engine bills bytes).
    pub bytes: Option<u64>,
    /// Rows that its scans are expected to give.
    pub rows: Option<u64>,
    /// Partitions, files or shards that would be read.
    pub partitions: Option<u64>,
}

impl Estimate {
    /// The two together; what neither tells stays unknown.
    #[must_use]
    pub fn plus(self, other: Estimate) -> Estimate {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (one, other) => one.or(other),
        };
        Estimate {
            bytes: sum(self.bytes, other.bytes),
            rows: sum(self.rows, other.rows),
            partitions: sum(self.partitions, other.partitions),
        }
    }
}
