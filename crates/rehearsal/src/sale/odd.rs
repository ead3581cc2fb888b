//! The same notice in other bytes: members in another order, white space, escapes, numbers
//! as texts and texts as numbers. Only who reads JSON as JSON understands it.

use std::fmt::Write as _;

use serde_json::Value;

use super::chance::Chance;

const BLANKS: [&str; 5] = ["", " ", "\n", "\t ", "\r\n  "];
/// The most digits of a text that becomes a number: more are no number to everybody.
const DIGITS: usize = 15;

/// Writes a body oddly.
pub(crate) fn odd(body: &str, chance: &mut Chance) -> String {
    let mut odd = String::with_capacity(body.len() * 2);
    // What is sent is JSON; anything else stays as it is.
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    write(&value, &mut odd, chance);
    odd.push_str(chance.one(&BLANKS));
    odd
}

fn write(value: &Value, to: &mut String, chance: &mut Chance) {
    to.push_str(chance.one(&BLANKS));
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(flag) => {
            let _ = write!(to, "{flag}");
        }
        // Amounts keep their form: some are compared as they were written.
        Value::Number(number) if number.is_i64() && chance.below(2) == 0 => {
            let _ = write!(to, "\"{number}\"");
        }
        Value::Number(number) => {
            let _ = write!(to, "{number}");
        }
        Value::String(text) if is_number(text) && chance.below(2) == 0 => to.push_str(text),
        Value::String(text) => quote(text, to, chance),
        Value::Array(values) => {
            to.push('[');
            for (place, value) in values.iter().enumerate() {
                to.push_str(if place == 0 { "" } else { "," });
                write(value, to, chance);
            }
            to.push_str(chance.one(&BLANKS));
            to.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            chance.shuffle(&mut members);
            to.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                to.push_str(if place == 0 { "" } else { "," });
                to.push_str(chance.one(&BLANKS));
                quote(name, to, chance);
                to.push_str(chance.one(&BLANKS));
                to.push(':');
                write(value, to, chance);
            }
            to.push_str(chance.one(&BLANKS));
            to.push('}');
        }
    }
    to.push_str(chance.one(&BLANKS));
}

/// Whether the digits are a number as they stand.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().all(|digit| digit.is_ascii_digit());
    digits && (1..=DIGITS).contains(&text.len()) && !text.starts_with('0')
}

fn quote(text: &str, to: &mut String, chance: &mut Chance) {
    to.push('"');
    for letter in text.chars() {
        match letter {
            '/' if chance.below(2) == 0 => to.push_str("\\/"),
            '"' | '\\' | '\0'..='\x1f' => escape(letter, to),
            _ if chance.below(12) == 0 => escape(letter, to),
            _ => to.push(letter),
        }
    }
    to.push('"');
}

fn escape(letter: char, to: &mut String) {
    for unit in letter.encode_utf16(&mut [0; 2]) {
        let _ = write!(to, "\\u{unit:04x}");
    }
}
