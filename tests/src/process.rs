//! Time and memory of whole processes.

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
