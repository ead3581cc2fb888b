//! What the shop sells.

use super::chance::Chance;

/// One line of an order's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) sku: &'static str,
    /// Xsolla's `type`.
    pub(crate) kind: &'static str,
    pub(crate) quantity: i64,
    /// Of the whole line, in cents.
    pub(crate) cents: i64,
    /// It stands in the list because a bundle contains it.
    pub(crate) is_content: bool,
}

const BUNDLE: &str = "bundle";
const GOOD: &str = "virtual_good";
const CURRENCY: &str = "virtual_currency";

/// SKU, type and cents apiece.
const GOODS: [(&str, &str, i64); 8] = [
    ("com.example.blade_ember", GOOD, 499),
    ("com.example.blade_frost", GOOD, 499),
    ("com.example.shield_oak", GOOD, 349),
    ("com.example.potion_minor", GOOD, 49),
    ("com.example.potion_major", GOOD, 129),
    ("com.example.crown_gilded", GOOD, 1_999),
    ("com.example.mount_boar", GOOD, 1_299),
    ("com.example.crystals", CURRENCY, 1),
];

/// Heading, cents and contents, each with its type and quantity.
type Bundle = (&'static str, i64, [(&'static str, &'static str, i64); 2]);

const BUNDLES: [Bundle; 2] = [
    (
        "com.example.starter_chest",
        698,
        [
            ("com.example.blade_frost", GOOD, 1),
            ("com.example.crystals", CURRENCY, 250),
        ],
    ),
    (
        "com.example.winter_chest",
        2_498,
        [
            ("com.example.mount_boar", GOOD, 1),
            ("com.example.potion_major", GOOD, 5),
        ],
    ),
];

/// One to three different lines.
pub(crate) fn several(chance: &mut Chance) -> Vec<Line> {
    let mut goods = GOODS;
    chance.shuffle(&mut goods);
    let many = chance.between(1, 3);
    let lines = goods.into_iter().zip(0..many);
    lines
        .map(|((sku, kind, each), _)| {
            let quantity = if kind == CURRENCY {
                i64::from(chance.between(100, 2_000))
            } else {
                i64::from(chance.between(1, 5))
            };
            Line {
                sku,
                kind,
                quantity,
                cents: each * quantity,
                is_content: false,
            }
        })
        .collect()
}

/// A bundle: its heading, and what is in it.
pub(crate) fn bundle(chance: &mut Chance) -> Vec<Line> {
    let (sku, cents, contents) = chance.one(&BUNDLES);
    let heading = Line {
        sku,
        kind: BUNDLE,
        quantity: 1,
        cents,
        is_content: false,
    };
    let content = |(sku, kind, quantity)| Line {
        sku,
        kind,
        quantity,
        cents: 0,
        is_content: true,
    };
    std::iter::once(heading)
        .chain(contents.map(content))
        .collect()
}

/// What costs nothing.
pub(crate) fn free(chance: &mut Chance) -> Vec<Line> {
    let (sku, kind, _) = chance.one(&GOODS[..7]);
    vec![Line {
        sku,
        kind,
        quantity: 1,
        cents: 0,
        is_content: false,
    }]
}

/// The same order with something else in it.
pub(crate) fn others(lines: &[Line]) -> Vec<Line> {
    let other = |line: &Line| Line {
        quantity: line.quantity + 7,
        ..*line
    };
    lines.iter().map(other).collect()
}

/// What somebody would like to have who signs for himself.
pub(crate) fn coveted(lines: &[Line]) -> Vec<Line> {
    let more = |line: &Line| Line {
        quantity: line.quantity + 100_000,
        ..*line
    };
    lines.iter().map(more).collect()
}

/// What the list brings: a bundle is a heading, its contents are what counts.
pub(crate) fn granted(lines: &[Line]) -> Vec<(String, i64)> {
    let granted = lines.iter().filter(|line| line.kind != BUNDLE);
    granted
        .map(|line| (line.sku.to_owned(), line.quantity))
        .collect()
}
