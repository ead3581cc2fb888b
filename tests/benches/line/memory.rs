//! The memory of processes.

/// What a process has in memory, and what of it is its own: not a page of a file, such as the
/// program's, which the kernel drops when it needs room. In megabytes of a million bytes.
#[derive(Clone, Copy)]
pub(crate) struct Resident {
    pub(crate) all: f64,
    pub(crate) own: f64,
}

impl Resident {
    pub(crate) fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let megabytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kibibytes = line.and_then(|line| line.split_whitespace().next());
            kibibytes.unwrap().parse::<f64>().unwrap() * 1_024.0 / 1e6
        };
        Self {
            all: megabytes("VmRSS:"),
            own: megabytes("RssAnon:"),
        }
    }
}
