//! Signature, glance and full reading of a notice, beside SHA-1 alone.

use std::hint::black_box;
use std::time::Instant;

use sha1::{Digest as _, Sha1};
use xsolla::signature::{Digest, authorization_header, verify};
use xsolla::{Glance, Notice, fixtures};

use crate::clock::median;

const SECRET: &[u8] = b"a-webhook-secret-of-the-usual-length";
const ROUNDS: usize = 41;
const CALLS: u32 = 2_000;

/// Microseconds a call.
fn time(mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}

pub(crate) fn compare() {
    let body = fixtures::PAYMENT_WITH_ORDER_OBJECT;
    let header = authorization_header(body, SECRET);
    let digest = Digest::from_header(&header).unwrap();
    let (mut hash, mut routed, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hash.push(time(|| {
            black_box(
                Sha1::new()
                    .chain_update(black_box(body))
                    .chain_update(SECRET)
                    .finalize(),
            );
        }));
        let signed = || black_box(verify(black_box(body), &digest, [SECRET].into_iter()));
        routed.push(time(|| {
            signed();
            black_box(Glance::of(black_box(body)));
        }));
        full.push(time(|| {
            signed();
            black_box(Notice::read(black_box(body)).unwrap());
        }));
    }
    let hash = median(&mut hash);
    let (routed, full) = (median(&mut routed), median(&mut full));
    println!("reading a notice of {} bytes", body.len());
    println!("  SHA-1 alone                   {hash:6.2} µs");
    println!(
        "  signature and routing         {routed:6.2} µs   {:.1}× (aim: at most 3)",
        routed / hash
    );
    println!(
        "  signature and full reading    {full:6.2} µs   {:.1}× (aim: at most 6)\n",
        full / hash
    );
}
