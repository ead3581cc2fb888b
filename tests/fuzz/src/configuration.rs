//! The configuration: a TOML file and the environment twins of its keys.

use toml::{Table, Value};

use crate::parts;

const SEPARATOR: &[u8] = b"\n===\n";
/// Stands in secrets alone, so that whoever prints it has printed one.
const CANARY: &str = "canary";
const SECRETS: [&str; 4] = [
    "webhook_secrets",
    "order_webhook_secrets",
    "authorization",
    "secret",
];

/// A file, a line `===`, and a line `NAME=value` for each variable.
///
/// Any text is a configuration or has faults; no secret is in what is said of either;
/// a file that is sound says the same as the twins of its keys.
///
/// # Panics
/// Where that does not hold.
pub fn check(input: &[u8]) {
    let (file, environment) = parts(input, SEPARATOR);
    let (Ok(file), Ok(environment)) = (std::str::from_utf8(file), std::str::from_utf8(environment))
    else {
        return;
    };
    let variables: Vec<(String, String)> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let said = grantline::print_config(file, variables.clone());
    let (Ok(text) | Err(text)) = &said;
    if canaries(file, &variables) {
        assert!(!text.contains(CANARY), "a secret is shown: {text}");
    }
    if let (Ok(printed), true) = (&said, variables.is_empty()) {
        twins(file, printed);
    }
}

/// Whether canaries stand in secrets alone.
fn canaries(file: &str, variables: &[(String, String)]) -> bool {
    let in_variables = variables.iter().all(|(name, value)| {
        let key = name.rsplit("__").next().unwrap_or_default();
        let is_secret = SECRETS.contains(&key.to_lowercase().as_str());
        !name.to_lowercase().contains(CANARY) && (is_secret || !value.contains(CANARY))
    });
    let in_file = match file.parse::<Table>() {
        Ok(table) => {
            let secret = secrets(&Value::Table(table), false);
            secret == file.matches(CANARY).count()
        }
        // Of a file that is no TOML nothing is quoted.
        Err(_) => true,
    };
    in_variables && in_file
}

/// How many canaries stand below keys that take secrets.
fn secrets(value: &Value, is_secret: bool) -> usize {
    match value {
        Value::String(text) if is_secret => text.matches(CANARY).count(),
        Value::Array(list) => list.iter().map(|value| secrets(value, is_secret)).sum(),
        Value::Table(table) => table
            .iter()
            .map(|(name, value)| secrets(value, is_secret || SECRETS.contains(&name.as_str())))
            .sum(),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => 0,
    }
}

/// Whatever a sound file says, the environment can say as well.
fn twins(file: &str, printed: &str) {
    // A secret in a file has a twin of its own form.
    if file.contains("file") {
        return;
    }
    let table: Table = file.parse().expect("a sound file is TOML");
    let mut variables = Vec::new();
    flatten("GRANTLINE", &table, &mut variables);
    let by_twins = grantline::print_config("", variables.clone());
    let by_twins = by_twins.as_deref().map(values);
    assert_eq!(by_twins, Ok(values(printed)), "{variables:?}");
}

fn flatten(prefix: &str, table: &Table, variables: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let name = format!("{prefix}__{}", name.to_uppercase());
        match value {
            Value::Table(table) if !table.is_empty() => flatten(&name, table, variables),
            Value::String(text) => variables.push((name, text.clone())),
            Value::Table(_)
            | Value::Array(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => variables.push((name, value.to_string())),
        }
    }
}

/// The lines of a printed configuration without where each value comes from.
fn values(printed: &str) -> Vec<&str> {
    printed
        .lines()
        .map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value))
        .collect()
}
