//! Time and memory of whole processes, and the environments of Python that some of them need.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Wall time and peak memory in KiB of one run; the peak is read while the process lives. Panics where it fails.
pub fn measure(command: &mut Command) -> (Duration, u64) {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts");
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak =
            high.and_then(|h| h.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(peak).max(peak);
        if let Some(exit) = child.try_wait().expect("the command can be waited for") {
            assert!(exit.success(), "{command:?} failed");
            return (started.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// The middle of several times.
pub fn median(runs: &[(Duration, u64)]) -> Duration {
    let mut times: Vec<Duration> = runs.iter().map(|run| run.0).collect();
    times.sort();
    times[times.len() / 2]
}

/// The binary that `SPRINGLINE_BENCH_BINARY` names, else that which stands beside a bench's own.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("SPRINGLINE_BENCH_BINARY") {
        return PathBuf::from(named);
    }
    let myself = std::env::current_exe().expect("a bench has a path");
    let profile = myself.ancestors().nth(2).expect("a bench lies in <target>/<profile>/deps");
    let binary = profile.join("springline");
    assert!(binary.is_file(), "build the binary first: cargo build");
    binary
}

/// The folder of the programs of a virtual environment of that name below the target folder, with these packages from PyPI;
/// it is made if it is not there.
pub fn python(name: &str, packages: &[&str]) -> PathBuf {
    let myself = std::env::current_exe().expect("a bench has a path");
    let environment = myself.ancestors().nth(3).expect("a bench lies in <target>/<profile>/deps").join(name);
    let (installed, wanted) = (environment.join("installed"), packages.join("\n"));
    if std::fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
        let run = |command: &mut Command| assert!(command.status().expect("it starts").success(), "{command:?}");
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        run(Command::new(environment.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(packages));
        std::fs::write(&installed, wanted).expect("a file");
    }
    environment.join("bin")
}

/// Processor seconds so far of this process, without those of its children.
pub fn own_seconds() -> f64 {
    seconds("self", 2)
}

/// Processor seconds so far of a process, of its descendants, and of all that they have waited for.
pub fn tree_seconds(root: u32) -> f64 {
    let all: Vec<u32> = std::fs::read_dir("/proc")
        .expect("Linux lists its processes")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let below = |process: &&u32| {
        let mut at = **process;
        while at != root && at > 1 {
            at = parent(at);
        }
        at == root
    };
    all.iter().filter(below).map(|process| seconds(&process.to_string(), 4)).sum()
}

/// The process that started another one; 0 where there is none.
pub fn parent(process: u32) -> u32 {
    fields(&process.to_string()).get(1).and_then(|id| id.parse().ok()).unwrap_or(0)
}

/// The first so many of user and system time, and the same of children that were waited for.
fn seconds(process: &str, counted: usize) -> f64 {
    let ticks: f64 = fields(process).iter().skip(11).take(counted).filter_map(|t| t.parse::<f64>().ok()).sum();
    // The kernel shows ticks of a hundredth of a second.
    ticks / 100.0
}

/// What Linux says of a process behind its name, which may hold spaces (`man 5 proc_pid_stat`).
fn fields(process: &str) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().map(str::to_owned).collect()
}
