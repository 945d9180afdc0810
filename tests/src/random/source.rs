//! The sources that every random project is about.

use springline_ir::Type;

/// A table: its name, its key and its columns.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Its name, in the project and in the warehouse.
    pub name: &'static str,
    /// Its primary key.
    pub key: &'static str,
    /// Names and types of its columns, the key first.
    pub columns: &'static [(&'static str, &'static str)],
}

/// Every table.
pub const SOURCES: &[Source] = &[
    Source {
        name: "customers",
        key: "id",
        columns: &[
            ("id", "string"),
            ("n", "integer"),
            ("m", "integer"),
            ("d", "decimal(12,2)"),
            ("e", "decimal(20,6)"),
            ("f", "float"),
            ("s", "string"),
            ("t", "string"),
            ("b", "boolean"),
            ("born", "date"),
            ("seen", "timestamp"),
            ("home_id", "integer"),
        ],
    },
    Source {
        name: "homes",
        key: "home_id",
        columns: &[
            ("home_id", "integer"),
            ("size", "integer"),
            ("label", "string"),
            ("since", "date"),
            ("rate", "decimal(9,4)"),
        ],
    },
    Source {
        name: "products",
        key: "product_id",
        columns: &[("product_id", "integer"), ("title", "string"), ("cost", "decimal(10,3)")],
    },
    Source {
        name: "orders",
        key: "order_id",
        columns: &[
            ("order_id", "integer"),
            ("customer_id", "string"),
            ("ordered_at", "timestamp"),
            ("amount", "decimal(12,2)"),
            ("qty", "integer"),
            ("price", "float"),
            ("channel", "string"),
            ("note", "string"),
            ("flag", "boolean"),
            ("due", "date"),
            ("product_id", "integer"),
        ],
    },
    Source {
        name: "visits",
        key: "visit_id",
        columns: &[
            ("visit_id", "integer"),
            ("customer_id", "string"),
            ("on_day", "date"),
            ("page", "string"),
            ("secs", "integer"),
        ],
    },
];

impl Source {
    /// The columns with their types read.
    pub fn types(&self) -> Vec<(String, Type)> {
        let read = |(name, ty): &(&str, &str)| ((*name).to_owned(), ty.parse().expect("a type of the language"));
        self.columns.iter().map(read).collect()
    }

    /// The source as a project declares it.
    pub fn yaml(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|(name, ty)| format!("{name}: \"{ty}\"")).collect();
        let (name, key) = (self.name, self.key);
        format!("  - {{ name: {name}, table: {name}, primary_key: {key}, columns: {{ {} }} }}\n", columns.join(", "))
    }
}
