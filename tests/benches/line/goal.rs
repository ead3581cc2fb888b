//! What was aimed at, and what came of it.

/// One aim of the project's own.
pub(crate) struct Goal {
    pub(crate) what: &'static str,
    pub(crate) measured: String,
    pub(crate) aim: &'static str,
    pub(crate) met: bool,
}

/// The last word of the report. A missed goal is no failure: the machine may be busy.
pub(crate) fn print(goals: &[Goal]) {
    println!("{:<58} {:>9}   {:<17} verdict", "goal", "measured", "aim");
    for goal in goals {
        let Goal {
            what,
            measured,
            aim,
            met,
        } = goal;
        let verdict = if *met { "met" } else { "MISSED" };
        println!("{what:<58} {measured:>9}   {aim:<17} {verdict}");
    }
}
