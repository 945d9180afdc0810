//! The rows that stand exactly at the edges of time windows. It knows instants and nothing of random data.

/// A customer whose rows stand exactly at, or one microsecond before, the beginning or the end of a window
/// of days that ends at [`AS_OF`](super::AS_OF) and is counted in Paris, where 180 days earlier is still winter time.
pub(super) struct Edge {
    pub(super) name: &'static str,
    pub(super) orders: &'static [(&'static str, i64, &'static str, &'static str)],
    pub(super) views: &'static [(&'static str, &'static str, &'static str)],
    pub(super) tickets: &'static [(&'static str, u32)],
}

const NOTHING: Edge = Edge { name: "", orders: &[], views: &[], tickets: &[] };

const AT_365: &str = "2023-07-01T00:00:00Z";
const BEFORE_365: &str = "2023-06-30T23:59:59.999999Z";
const AT_180: &str = "2024-01-02T01:00:00Z";
const BEFORE_180: &str = "2024-01-02T00:59:59.999999Z";
const AT_90: &str = "2024-04-01T00:00:00Z";
const BEFORE_90: &str = "2024-03-31T23:59:59.999999Z";
const AT_60: &str = "2024-05-01T00:00:00Z";
const BEFORE_60: &str = "2024-04-30T23:59:59.999999Z";
const AT_30: &str = "2024-05-31T00:00:00Z";
const BEFORE_30: &str = "2024-05-30T23:59:59.999999Z";
const AT_7: &str = "2024-06-23T00:00:00Z";
const BEFORE_7: &str = "2024-06-22T23:59:59.999999Z";
const LAST: &str = "2024-06-29T23:59:59.999999Z";
pub(super) const AT_END: &str = "2024-06-30T00:00:00Z";

/// The customers at the edges.
pub(super) const EDGES: &[Edge] = &[
    Edge {
        name: "365 in",
        orders: &[
            (AT_365, 20_000, "shop", "bags"),
            (AT_180, 20_000, "shop", "bags"),
            (BEFORE_60, 20_000, "shop", "bags"),
        ],
        ..NOTHING
    },
    Edge {
        name: "365 out",
        orders: &[
            (BEFORE_365, 20_000, "shop", "bags"),
            (AT_180, 20_000, "shop", "bags"),
            (BEFORE_60, 20_000, "shop", "bags"),
        ],
        ..NOTHING
    },
    Edge {
        name: "60 in",
        orders: &[(AT_365, 20_000, "web", "bags"), (AT_180, 20_000, "web", "bags"), (AT_60, 20_000, "web", "bags")],
        ..NOTHING
    },
    Edge { name: "180 in", orders: &[(AT_365, 9_000, "app", "home"), (AT_180, 9_000, "app", "home")], ..NOTHING },
    Edge { name: "180 out", orders: &[(AT_365, 9_000, "app", "home"), (BEFORE_180, 9_000, "app", "home")], ..NOTHING },
    Edge {
        name: "end out",
        orders: &[(AT_END, 9_000, "web", "sport")],
        views: &[(AT_END, "add_to_cart", "sport")],
        tickets: &[(AT_END, 1)],
    },
    Edge {
        name: "end in",
        orders: &[(LAST, 9_000, "web", "sport")],
        views: &[(LAST, "add_to_cart", "sport")],
        tickets: &[(LAST, 1)],
    },
    Edge { name: "90 in", orders: &[(AT_90, 9_000, "shop", "home")], ..NOTHING },
    Edge { name: "90 out", orders: &[(BEFORE_90, 9_000, "shop", "home")], ..NOTHING },
    Edge { name: "first in", orders: &[(AT_60, 4_900, "web", "beauty")], ..NOTHING },
    Edge { name: "first out", orders: &[(BEFORE_60, 4_900, "web", "beauty")], ..NOTHING },
    Edge { name: "cart in", views: &[(AT_7, "add_to_cart", "coats")], ..NOTHING },
    Edge { name: "cart out", views: &[(BEFORE_7, "add_to_cart", "coats")], ..NOTHING },
    Edge {
        name: "cart bought",
        orders: &[(AT_7, 7_700, "web", "coats")],
        views: &[(LAST, "add_to_cart", "coats")],
        ..NOTHING
    },
    Edge {
        name: "cart bought before",
        orders: &[(BEFORE_7, 7_700, "web", "coats")],
        views: &[(LAST, "add_to_cart", "coats")],
        ..NOTHING
    },
    Edge { name: "shoes in", views: &[(AT_30, "view", "shoes"), (LAST, "view", "shoes")], ..NOTHING },
    Edge { name: "shoes out", views: &[(BEFORE_30, "view", "shoes"), (LAST, "view", "shoes")], ..NOTHING },
    Edge { name: "ticket in", tickets: &[(AT_180, 5), (AT_90, 2)], ..NOTHING },
    Edge { name: "ticket out", tickets: &[(AT_180, 5), (BEFORE_90, 2)], ..NOTHING },
    Edge {
        name: "twice at once",
        orders: &[(AT_30, 10_000, "web", "shoes"), (AT_30, 40_000, "app", "bags")],
        ..NOTHING
    },
    Edge { name: "nothing", ..NOTHING },
];
