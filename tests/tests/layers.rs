//! Which crate may name which: a crate names crates of lower rank alone.
//!
//! The ranks are the architecture. Roles never see each other, the domain sees nobody, and
//! what travels between processes is below everything that sends it.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// From the domain upwards. A new crate gets its rank here, or the test fails.
const RANKS: [&[&str]; 6] = [
    &["order", "centrifuge"],
    &[
        "sqlite",
        "xsolla",
        "task",
        "secret",
        "lifecycle",
        "telemetry",
    ],
    &["ledger", "broker", "claim"],
    &["worker", "httpd"],
    &[
        "ingress",
        "grant",
        "revoke",
        "publisher",
        "api",
        "rehearsal",
    ],
    &["grantline"],
];

/// Helps the tests of crates below the roles and of the roles; ships in nothing.
const TESTKIT: &str = "testkit";
/// The ranks `testkit` may name: it must not know a role.
const TESTKIT_RANK: usize = 4;
/// Whole-line tests: above everything, named by nobody.
const WHOLE_LINE: &str = "tests";
/// The fuzz targets: above everything as well, and in nothing that ships.
const FUZZ: &str = "fuzz";
/// The simulator and the model: above everything, and in nothing that ships.
const SIMULATION: &str = "simulation";

/// Crates beside the line, which no crate of it names.
const UNRANKED: [&str; 4] = [TESTKIT, WHOLE_LINE, FUZZ, SIMULATION];

/// One crate of the workspace and the crates of the workspace it names.
struct Crate {
    name: String,
    names: Vec<(DependencyKind, String)>,
}

fn rank(name: &str) -> Option<usize> {
    RANKS.iter().position(|names| names.contains(&name))
}

/// Why `one` may not name `other`; none where it may.
fn objection(one: &str, kind: DependencyKind, other: &str) -> Option<String> {
    let for_tests = kind == DependencyKind::Development;
    if other == TESTKIT {
        return (!for_tests).then(|| format!("{one}: `{TESTKIT}` ships in nothing"));
    }
    if one == WHOLE_LINE {
        return (!for_tests).then(|| format!("{one}: only has dependencies of its tests"));
    }
    let own = match one {
        TESTKIT => Some(TESTKIT_RANK),
        FUZZ | SIMULATION => Some(RANKS.len()),
        _ => rank(one),
    };
    match (own, rank(other)) {
        (Some(own), Some(rank)) if rank < own => None,
        (Some(own), Some(rank)) => Some(format!("{one} (rank {own}) names {other} (rank {rank})")),
        (None, _) => Some(format!("{one} has no rank")),
        (_, None) => Some(format!("{one} names {other}, which has no rank")),
    }
}

fn objections(crates: &[Crate]) -> Vec<String> {
    let unranked = crates
        .iter()
        .map(|one| one.name.as_str())
        .filter(|name| rank(name).is_none() && !UNRANKED.contains(name));
    let gone = RANKS
        .iter()
        .copied()
        .flatten()
        .filter(|name| !crates.iter().any(|one| one.name == **name));
    let edges = crates.iter().flat_map(|one| {
        let names = one.names.iter();
        names.filter_map(|(kind, other)| objection(&one.name, *kind, other))
    });
    unranked
        .map(|name| format!("{name} has no rank"))
        .chain(gone.map(|name| format!("{name} has a rank and does not exist")))
        .chain(edges)
        .collect()
}

/// The workspace as cargo reads its manifests, without resolving anything.
fn workspace() -> Vec<Crate> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo reads the manifests of this workspace");
    let packages = metadata.packages.into_iter().map(|package| {
        let ours = package
            .dependencies
            .into_iter()
            .filter(|it| it.path.is_some());
        Crate {
            name: package.name.to_string(),
            names: ours.map(|it| (it.kind, it.name)).collect(),
        }
    });
    packages.collect()
}

#[test]
fn every_crate_names_crates_of_lower_rank_alone() {
    let objections = objections(&workspace());
    assert!(objections.is_empty(), "{objections:#?}");
}

/// The test above would pass on a workspace it cannot see.
#[test]
fn the_workspace_is_seen_with_its_dependencies() {
    let crates = workspace();
    let by_name: BTreeMap<_, _> = crates
        .iter()
        .map(|one| (one.name.as_str(), &one.names))
        .collect();
    assert!(by_name["grantline"].contains(&(DependencyKind::Normal, "order".to_owned())));
    assert!(by_name["ledger"].contains(&(DependencyKind::Development, TESTKIT.to_owned())));
}

#[test]
fn each_rule_has_an_objection() {
    let normal = DependencyKind::Normal;
    let development = DependencyKind::Development;
    for (one, kind, other) in [
        ("order", normal, "task"),
        ("order", development, "task"),
        ("ingress", normal, "publisher"),
        ("ledger", normal, "broker"),
        ("ledger", DependencyKind::Build, "worker"),
        ("ledger", normal, "testkit"),
        ("grantline", normal, "testkit"),
        ("testkit", normal, "ingress"),
        ("tests", normal, "grantline"),
        ("fuzz", normal, "testkit"),
        ("grantline", normal, "fuzz"),
        ("worker", development, "simulation"),
        ("newcomer", normal, "order"),
        ("grantline", normal, "newcomer"),
    ] {
        assert!(
            objection(one, kind, other).is_some(),
            "{one} {kind:?} {other}"
        );
    }
    for (one, kind, other) in [
        ("grantline", normal, "publisher"),
        ("ledger", normal, "secret"),
        ("ledger", development, "testkit"),
        ("testkit", normal, "broker"),
        ("tests", development, "grantline"),
        ("fuzz", normal, "grantline"),
        ("simulation", normal, "publisher"),
    ] {
        assert_eq!(objection(one, kind, other), None);
    }
    let alone = Crate {
        name: "newcomer".to_owned(),
        names: Vec::new(),
    };
    let found = objections(&[alone]);
    assert!(found.contains(&"newcomer has no rank".to_owned()));
    assert!(found.contains(&"order has a rank and does not exist".to_owned()));
}
