//! The words of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// A composable customer data platform: YAML models in git, SQL in your warehouse, only what changed
/// goes out.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a guard stopped a sync, 4 delivered in part.
#[derive(Debug, Parser)]
#[command(name = "springline", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// The project's folder [default: the nearest one upwards with a springline.yaml]
    #[arg(long, global = true, value_name = "DIR", env = "SPRINGLINE_PROJECT")]
    pub(crate) project: Option<PathBuf>,
    /// The target to run on [default: the project's default_target]
    #[arg(long, global = true, value_name = "TARGET", env = "SPRINGLINE_TARGET")]
    pub(crate) target: Option<String>,
    /// The one clock: events at or after it do not exist [default: now]
    ///
    /// An instant such as 2024-06-30T00:00:00Z, or a day, which means its first instant in the
    /// project's time zone.
    #[arg(long, global = true, value_name = "INSTANT")]
    pub(crate) as_of: Option<String>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// How logs are written to standard error
    ///
    /// Without it nothing is logged but what SPRINGLINE_LOG asks for, such as `info` or `springline_run=debug`; with it,
    /// `info`.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", env = "SPRINGLINE_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// A way to write a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpellingName {
    /// An expression in quotes.
    Text,
    /// A tree of mappings.
    Tree,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the project without a connection
    Validate,
    /// Read what tables the warehouse has and keep it in catalog.lock.yaml
    Catalog {
        /// Show the profile of this table instead, and write nothing
        #[arg(conflicts_with_all = ["all", "check", "write"])]
        table: Option<String>,
        /// Look into all schemas and not only those that sources name
        #[arg(long)]
        all: bool,
        /// Say what has changed since the lock was written and what that breaks, and write nothing
        #[arg(long, conflicts_with_all = ["all", "write"])]
        check: bool,
        /// Add a source for each table that none names, with suggestions
        #[arg(long)]
        write: bool,
    },
    /// Check that the target answers and that all its sources and its state can be used
    Doctor,
    /// Run the project's own tests: given rows on the embedded engine, invariants on the target
    Test {
        /// The tests [default: all]
        names: Vec<String>,
    },
    /// Print the SQL of a segment, entity or sync, or of a run of all entities and syncs
    Compile {
        /// A segment, entity or sync
        name: Option<String>,
        /// The dialect [default: that of the target]
        #[arg(long)]
        dialect: Option<String>,
        /// The query of each segment alone too, as a preview runs it
        #[arg(long)]
        all: bool,
        /// Say what is read, shared and kept, and print no SQL
        #[arg(long)]
        explain: bool,
    },
    /// Count a segment's members and show some
    Preview {
        /// The segment
        segment: String,
        /// How many members to show
        #[arg(long, default_value_t = 10, value_name = "ROWS")]
        limit: u64,
        /// Show personal values instead of masking them
        #[arg(long)]
        show_pii: bool,
        /// Print the SQL too
        #[arg(long)]
        sql: bool,
        /// Say what it would read and cost, with the warehouse's own plan, and run nothing
        #[arg(long)]
        explain: bool,
    },
    /// Compute all fields and segments and keep who entered and left when
    Run {
        /// The entities [default: all]
        entities: Vec<String>,
        /// Mend the history at an instant before the last run, from the data of today
        #[arg(long)]
        backfill: bool,
        /// Say what would be read and what it would cost, and run nothing
        #[arg(long, conflicts_with = "backfill")]
        dry_run: bool,
    },
    /// Say how a segment grew, or which segments a row was in, from run to run
    History {
        /// The segment
        #[arg(required_unless_present = "key", conflicts_with_all = ["key", "entity"])]
        segment: Option<String>,
        /// The primary key of one row, whose segments over time are told
        #[arg(long, value_name = "ID")]
        key: Option<String>,
        /// The entity of that row [default: every entity with segments]
        #[arg(long, requires = "key")]
        entity: Option<String>,
        /// From this instant or day on [default: the first run]
        #[arg(long, value_name = "INSTANT")]
        from: Option<String>,
        /// Up to this instant or day [default: the last run]
        #[arg(long, value_name = "INSTANT")]
        to: Option<String>,
    },
    /// Find out which records of several sources are the same thing
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Deliver what changed
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Run each sync at the times of its `schedule`, until Ctrl-C
    ///
    /// A sync runs once at a time; times that pass while it runs, or while the machine sleeps, are made up for by one
    /// run. Ctrl-C lets the requests that are on their way end, and what is left is sent by the next run.
    Scheduler {
        /// The syncs, chosen as for `sync apply` [default: all that have a schedule]
        #[arg(value_name = "SYNCS")]
        chosen: Vec<String>,
        /// Run the syncs whose time has come since their last run, and those that have never run, and end
        #[arg(long)]
        once: bool,
        /// End at this instant
        #[arg(long, value_name = "INSTANT", conflicts_with = "once")]
        until: Option<String>,
        /// Serve Prometheus metrics at this address, under /metrics
        #[arg(long, value_name = "ADDRESS")]
        metrics_listen: Option<SocketAddr>,
    },
    /// Make a project
    Init {
        /// The folder to make [default: the example's name, or the current folder]
        dir: Option<PathBuf>,
        /// Start from an example, with data
        #[arg(long, value_enum)]
        example: Option<Example>,
        /// How many customers the retail example's data has [default: 4000]
        #[arg(long, requires = "example")]
        customers: Option<u32>,
        /// The seed of the retail example's data [default: 20240630]
        #[arg(long, requires = "example")]
        seed: Option<u64>,
    },
    /// List the packages that a project can import, with their parameters
    Packages,
    /// Run the retail example from model to delivery, step by step
    Demo {
        /// Keep the project in this folder [default: a temporary one that is removed]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Write the conditions of segments in one spelling, in place
    ///
    /// A condition is a text or a tree; either can be turned into the other. Nothing but the values of
    /// `where:` changes, and a condition with comments inside is left as it is.
    Fmt {
        /// The files [default: all of the project]
        files: Vec<PathBuf>,
        /// The spelling [default: the one that each condition has]
        #[arg(long, value_enum, value_name = "SPELLING")]
        to: Option<SpellingName>,
        /// Only this segment
        #[arg(long, value_name = "NAME")]
        segment: Option<String>,
        /// Change nothing; exit with 1 if something would change
        #[arg(long)]
        check: bool,
    },
    /// Print a JSON Schema of the files, for editors
    Schema {
        /// The kind of file: `project` (springline.yaml), `package` (package.yaml), `catalog` (catalog.lock.yaml) or `model` (every other file)
        #[arg(default_value = "model")]
        kind: String,
        /// Write the schemas of all kinds into this folder instead
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Say what the code of an error or warning means and how to mend it
    Explain {
        /// The code, such as E0203 [default: list them all]
        code: Option<String>,
    },
    /// Write the reference pages
    #[command(hide = true)]
    Docs {
        /// The folder to write into
        #[arg(long)]
        dir: PathBuf,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Link the records, give each cluster its canonical id and say what came of it
    Run {
        /// The identity
        name: String,
        /// Where another run of the identity goes on, wait for it to end instead of failing
        #[arg(long)]
        wait: bool,
    },
    /// Say what the last run found
    Report {
        /// The identity
        name: String,
    },
    /// Say why two records are one, or why they are not
    Explain {
        /// A record: the source, a colon and the primary key, such as `crm:123`
        #[arg(value_name = "SOURCE:KEY")]
        record: String,
        /// The other record
        #[arg(value_name = "SOURCE:KEY")]
        other: String,
        #[command(flatten)]
        how: Looking,
    },
    /// Say what holds the records of a cluster together
    Audit {
        /// The canonical id, also one that is gone
        #[arg(value_name = "CANONICAL_ID")]
        id: String,
        #[command(flatten)]
        how: Looking,
    },
    /// Say what a changed definition would change, and change nothing
    WhatIf {
        /// The identity
        name: String,
        /// A model file with the changed definition; what it defines takes the place of what the project does
        #[arg(long, value_name = "FILE")]
        rules: PathBuf,
        /// Where another question of this kind goes on, wait for it to end instead of failing
        #[arg(long)]
        wait: bool,
    },
}

/// How links are looked at.
#[derive(Debug, Args)]
pub(crate) struct Looking {
    /// The identity, where the project has several
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// Show personal values instead of masking them
    #[arg(long)]
    pub(crate) show_pii: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SyncCommand {
    /// Say what would be sent, with examples, and send nothing
    Plan {
        /// The sync
        name: String,
        /// Write into this file what a later apply can be held to; it holds no value of a row
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Show personal values instead of masking them
        #[arg(long)]
        show_pii: bool,
        #[command(flatten)]
        how: How,
    },
    /// Send what changed since the last acknowledged delivery
    ///
    /// Syncs of different destinations run at the same time, those of one destination one after another. One that
    /// fails does not stop the others.
    Apply {
        /// The syncs: by name, `tag:ads`, `destination:crm`, `segment:vip`, `segment:vip+` for all that depend on the
        /// segment, or `state:modified` for those that have changed since they last delivered
        #[arg(value_name = "SYNCS", required_unless_present_any = ["all", "plan"])]
        chosen: Vec<String>,
        /// All syncs of the project
        #[arg(long, conflicts_with = "chosen")]
        all: bool,
        /// Send only if the rows are still those of this file, which `sync plan --out` has written; as of its instant
        #[arg(long, value_name = "FILE", conflicts_with_all = ["chosen", "all", "full_resync"])]
        plan: Option<PathBuf>,
        /// Send though the rows are no longer those of the plan
        #[arg(long, requires = "plan")]
        allow_drift: bool,
        /// Write Prometheus metrics into this file, for node_exporter's textfile collector
        #[arg(long, value_name = "FILE", env = "SPRINGLINE_METRICS_FILE")]
        metrics_file: Option<PathBuf>,
        #[command(flatten)]
        how: How,
    },
    /// Say how much is acknowledged and what was refused
    Status {
        /// The sync [default: all]
        name: Option<String>,
        /// Show personal values instead of masking them
        #[arg(long)]
        show_pii: bool,
    },
    /// List the rows that the destination has refused, and why
    Rejected {
        /// The sync
        name: String,
        /// Show personal values instead of masking them
        #[arg(long)]
        show_pii: bool,
    },
    /// Forget refusals, so that the next apply sends those rows again
    Retry {
        /// The sync
        name: String,
    },
}

/// How a sync is planned or applied.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct How {
    /// Send again what was acknowledged, and what was refused, too
    #[arg(long)]
    pub(crate) full_resync: bool,
    /// Where another run of the sync goes on, wait for it to end instead of failing
    #[arg(long)]
    pub(crate) wait: bool,
}

/// An example that is part of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Example {
    /// A shop: customers, orders, page views, tickets, households; the data is made.
    Retail,
    /// A small shop that is made of packages.
    Boutique,
    /// A newspaper: subscriptions and consent, made of packages.
    Subscription,
}
