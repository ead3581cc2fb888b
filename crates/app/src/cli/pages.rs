//! Every command of the program that a page tells somebody to run is one that it takes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;

/// What stands for one of somebody's own: `N`, `FILE`, `"$ORDER"`. A number is taken for any.
const ANY: &str = "1";

#[test]
fn every_command_of_the_pages_is_taken() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut pages = vec![root.join("README.md")];
    below(&root.join("deploy"), &mut pages);
    let mut commands = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let whole = blocks(&text).map(|block| (block, true));
        let named = inline(&text).map(|piece| (piece, false));
        for (text, is_whole) in whole.chain(named) {
            for command in commands_in(&text) {
                commands += 1;
                if let Some(error) = refused(&command, is_whole) {
                    panic!("{}: {command:?}: {error}", page.display());
                }
            }
        }
    }
    assert!(commands > 60, "only {commands} commands were found");
}

/// What is wrong with a command. A text may name one without all that it needs, and what
/// stands for somebody's own may have to be a word and no number.
fn refused(command: &[String], is_whole: bool) -> Option<clap::Error> {
    let error = Cli::try_parse_from(command).err()?;
    let is_named = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let value = error.get(ContextKind::InvalidValue);
    let stands_for_a_word = matches!(value, Some(ContextValue::String(value)) if value == ANY);
    let is_taken =
        error.kind() == ErrorKind::DisplayHelp || (is_named && !is_whole) || stands_for_a_word;
    (!is_taken).then_some(error)
}

#[test]
fn commands_are_found_where_pages_have_them() {
    let block = "kubectl exec deploy/a -- /grantline epoch \\\n  new  # why\n\
                 for n in 1; do grantline order \"$n\" >/dev/null || echo; done\n\
                 source <(grantline completions bash)\nsudo systemctl stop grantline";
    let found: Vec<String> = commands_in(block).iter().map(|it| it.join(" ")).collect();
    let expected = [
        "grantline epoch new",
        "grantline order 1",
        "grantline completions bash",
    ];
    assert_eq!(found, expected);
}

fn below(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

/// The fenced blocks for a shell, at any indent.
fn blocks(text: &str) -> impl Iterator<Item = String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_start();
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let is_shell = info.split(' ').next() == Some("sh");
                open = is_shell.then(String::new);
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks.into_iter()
}

/// What stands between single backticks in the running text, and is a call.
fn inline(text: &str) -> impl Iterator<Item = String> {
    let mut is_text = true;
    let prose: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            is_text ^= fence;
            is_text && !fence
        })
        .collect();
    let pieces = prose.join("\n");
    let pieces = pieces.split('`').skip(1).step_by(2);
    let calls = pieces.filter(|piece| piece.starts_with("grantline") && piece.contains(' '));
    calls
        .map(|piece| piece.replace('\n', " "))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Each call of the program, split at what ends a command.
fn commands_in(block: &str) -> Vec<Vec<String>> {
    let block = block.replace("\\\n", " ");
    let lines = block.lines().map(|line| {
        let (command, _comment) = line.split_once(" #").unwrap_or((line, ""));
        command
    });
    let parts = lines.flat_map(|line| line.split(['|', ';', '&', '(', ')', '<', '>', '`']));
    parts.filter_map(call).collect()
}

fn call(part: &str) -> Option<Vec<String>> {
    let mut words = part.split_whitespace();
    // What stands before may be `do`, or a pod to run it in; not another program's argument.
    let before: Vec<&str> = words
        .by_ref()
        .take_while(|word| !matches!(*word, "grantline" | "/grantline"))
        .collect();
    let words: Vec<&str> = words.collect();
    let last = before.last().copied();
    let is_call = matches!(last, None | Some("do" | "then" | "--" | "exec" | "!"));
    (is_call && !words.is_empty()).then(|| {
        let words = words.into_iter().map(given);
        std::iter::once("grantline".to_owned())
            .chain(words)
            .collect()
    })
}

fn given(word: &str) -> String {
    let bare = word.trim_matches(['"', '\'']);
    let is_name = bare.len() > 1 || bare == "N";
    let is_blank = is_name
        && bare
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_');
    if bare.starts_with('$') || is_blank {
        return ANY.to_owned();
    }
    bare.to_owned()
}
