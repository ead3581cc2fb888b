//! Signature, glance and full reading of a notice, beside SHA-1 alone.

use std::hint::black_box;
use std::time::Instant;

use sha1::{Digest as _, Sha1};
use xsolla::signature::{Digest, authorization_header, verify};
use xsolla::{Glance, Notice};

use crate::clock::median;
use crate::goal::Goal;
use crate::roles::{NOTICE, SECRET};

const ROUNDS: usize = 2_001;
/// Few, for a run that another process interrupts is a long one.
const CALLS: u32 = 100;

/// Microseconds a call.
fn time(mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}

pub(crate) fn compare() -> [Goal; 2] {
    let (body, secret) = (NOTICE, SECRET.as_bytes());
    let header = authorization_header(body, secret);
    let signed = || {
        let digest = Digest::from_header(black_box(&header)).unwrap();
        assert_eq!(
            verify(black_box(body), &digest, [secret].into_iter()),
            Some(0)
        );
    };
    let (mut hash, mut routed, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hash.push(time(|| {
            let hash = Sha1::new().chain_update(black_box(body));
            black_box(hash.chain_update(secret).finalize());
        }));
        routed.push(time(|| {
            signed();
            black_box(Glance::of(black_box(body)));
        }));
        full.push(time(|| {
            signed();
            black_box(Notice::read(black_box(body)).unwrap());
        }));
    }
    let [hash, routed, full] = [hash, routed, full].map(|times| median(&times));
    println!(
        "reading a notice of {} bytes (median of {ROUNDS} × {CALLS})",
        body.len()
    );
    println!("  SHA-1 alone                  {hash:7.2} µs");
    println!("  signature and routing        {routed:7.2} µs");
    println!("  signature and full reading   {full:7.2} µs\n");
    let goal = |what, measured: f64, aim, most| Goal {
        what,
        measured: format!("{measured:.2} ×"),
        aim,
        met: measured <= most,
    };
    [
        goal(
            "signature and routing, of SHA-1 alone",
            routed / hash,
            "at most 3 ×",
            3.0,
        ),
        goal(
            "signature and full reading, of SHA-1 alone",
            full / hash,
            "at most 6 ×",
            6.0,
        ),
    ]
}
