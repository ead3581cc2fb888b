//! `grantline play`: a scenario or somebody's own notices, sent to an instance and judged.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use rehearsal::{Pace, Purchase, Scenario, Script, Target};

use crate::cli::Play;
use crate::commands::target::target;
use crate::printer::{Printer, Style};

/// The player where we cannot register one.
const SOME_PLAYER: &str = "mira";

pub(crate) async fn run(play: &Play) -> anyhow::Result<ExitCode> {
    let (target, project) = target(&play.target)?;
    let mut purchase = Purchase::draw(project, SOME_PLAYER);
    if target.server.is_some() {
        // A player of this run's own: what others do does not change what it holds.
        purchase.player = format!("{SOME_PLAYER}-{}", purchase.order);
    }
    let script = script(play, &purchase, &target)?;
    let style = if play.json {
        Style::Json
    } else {
        Style::of_standard_output()
    };
    let pace = Pace {
        limit: play.timeout,
        unix_now: task::now().unix_timestamp(),
    };
    let all_met = show(
        &script,
        &target,
        pace,
        &mut Printer::new(io::stdout(), style),
    )
    .await?;
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays the script and prints each step. Returns whether all of them ended as expected.
pub(crate) async fn show<W: io::Write>(
    script: &Script,
    target: &Target,
    pace: Pace,
    printer: &mut Printer<W>,
) -> anyhow::Result<bool> {
    printer.begin(script, target)?;
    let began = Instant::now();
    let mut outcome = Ok(());
    let tell = |report: &rehearsal::Report| {
        if outcome.is_ok() {
            outcome = printer.step(report);
        }
    };
    let all_met = rehearsal::play(script, target, pace, tell).await?;
    outcome?;
    printer.end(all_met, began.elapsed())?;
    Ok(all_met)
}

fn script(play: &Play, purchase: &Purchase, target: &Target) -> anyhow::Result<Script> {
    let (what, overrides) = (play.what.as_str(), &play.overrides);
    if let Ok(scenario) = what.parse::<Scenario>() {
        return Ok(scenario.script(purchase, overrides, target.views())?);
    }
    let text = if what == "-" {
        io::read_to_string(io::stdin()).context("cannot read notices from standard input")?
    } else {
        read(Path::new(what))?
    };
    Script::of_notices(what, &text, purchase, overrides)
        .with_context(|| format!("cannot send {what}"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let names = Scenario::ALL.map(Scenario::as_str).join(", ");
    let mut file = std::fs::File::open(path).with_context(|| {
        format!(
            "`{}` is neither a scenario ({names}) nor a file that can be read",
            path.display()
        )
    })?;
    let mut text = String::new();
    file.read_to_string(&mut text)
        .with_context(|| format!("cannot read notices from {}", path.display()))?;
    Ok(text)
}
