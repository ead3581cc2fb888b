//! What the charts show.

use std::time::Duration;

use crate::sale::journal::{Answer, Journal, Kind, Post, Says};
use crate::sale::report::summary::{acknowledgements, end, notice_of, quantile, told_done};
use crate::sale::report::{Quantiles, spoken, thousands};
use crate::sale::verdict::Limits;

use super::chart::{Chart, Marks, Shape, number_marks, time_marks};
use super::scale::{Decades, Linear, SIZE, moment_words};

/// The most stretches that time is cut into.
const MAX_STRETCHES: f64 = 80.0;
/// Bars of a distribution in a power of ten.
const BINS: u32 = 10;
/// Faults that still find room for their numbers.
const MAX_NUMBERED: usize = 30;

/// The rehearsal's time, cut into stretches.
struct Timeline<'a> {
    journal: &'a Journal,
    axis: Linear,
    /// Seconds.
    stretch: f64,
    stretches: usize,
}

/// All charts, in the order in which they are read.
pub(super) fn all(journal: &Journal, limits: &Limits) -> Vec<Chart> {
    let time = Timeline::of(journal);
    let mut charts = vec![
        time.latency(limits.answer_p99),
        distribution(
            "How long an acknowledgement took",
            acknowledgements(journal)
                .into_iter()
                .map(|(_, waited)| waited)
                .collect(),
        ),
        time.answers(),
        time.in_flight(),
    ];
    charts.extend(time.backlog());
    let [pushed, polled] = told_done(journal);
    if !pushed.is_empty() {
        let title = "From the webhook until a listening client was told “done”";
        charts.push(distribution(title, pushed));
    }
    if !polled.is_empty() {
        let title = "From the webhook until a polling client was told “done”";
        charts.push(distribution(title, polled));
    }
    charts
}

impl<'a> Timeline<'a> {
    fn of(journal: &'a Journal) -> Self {
        let end = end(journal).max(Duration::from_millis(1));
        let seconds = end.as_secs_f64();
        let steps = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0,
        ];
        let fits = |step: &f64| seconds / step <= MAX_STRETCHES;
        let stretch = steps
            .into_iter()
            .find(fits)
            .unwrap_or(seconds / MAX_STRETCHES);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and a bit more than MAX_STRETCHES"
        )]
        let stretches = (seconds / stretch).ceil().clamp(1.0, 1_000.0) as usize;
        Self {
            journal,
            axis: Linear::time(end),
            stretch,
            stretches,
        }
    }

    fn place(&self, at: Duration) -> f64 {
        self.axis.at(at.as_secs_f64())
    }

    /// Which stretch a moment is in.
    fn stretch_of(&self, at: Duration) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and cut off at the last one"
        )]
        let stretch = (at.as_secs_f64() / self.stretch) as usize;
        stretch.min(self.stretches - 1)
    }

    /// Where a stretch begins, and where its middle is.
    fn places(&self, stretch: usize) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
        let begin = stretch as f64 * self.stretch;
        (
            self.axis.at(begin),
            self.axis.at(begin + self.stretch / 2.0),
        )
    }

    fn faults(&self) -> Vec<(f64, f64)> {
        let faults = self.journal.faults.iter();
        let span = |fault: &crate::sale::journal::Fault| {
            (
                self.place(fault.from),
                self.place(fault.to.unwrap_or(fault.from)),
            )
        };
        faults.map(span).collect()
    }

    fn chart(&self, title: &'static str, note: String, y: Marks) -> Chart {
        Chart {
            title,
            note,
            legend: if self.journal.faults.is_empty() {
                Vec::new()
            } else {
                vec![("fault", "something broken on purpose".to_owned())]
            },
            x: time_marks(self.axis),
            y,
            shapes: Vec::new(),
            faults: self.faults(),
            numbers_faults: false,
        }
    }

    fn latency(&self, limit: Duration) -> Chart {
        let mut waits: Vec<Vec<Duration>> = vec![Vec::new(); self.stretches];
        for (due, waited) in acknowledgements(self.journal) {
            waits[self.stretch_of(due)].push(waited);
        }
        for waits in &mut waits {
            waits.sort_unstable();
        }
        let middle = waits
            .iter()
            .filter(|it| !it.is_empty())
            .map(|it| quantile(it, 50));
        let tail = waits
            .iter()
            .filter(|it| !it.is_empty())
            .map(|it| quantile(it, 99));
        let axis = Decades::around(middle.chain(tail));
        let (mut median, mut slow, mut band) = (vec![vec![]], vec![vec![]], vec![vec![]]);
        for (stretch, waits) in waits.iter().enumerate() {
            if waits.is_empty() {
                median.push(Vec::new());
                slow.push(Vec::new());
                band.push(Vec::new());
                continue;
            }
            let x = self.places(stretch).1;
            let (p50, p99) = (axis.at(quantile(waits, 50)), axis.at(quantile(waits, 99)));
            if let (Some(median), Some(slow), Some(band)) =
                (median.last_mut(), slow.last_mut(), band.last_mut())
            {
                median.push((x, p50));
                slow.push((x, p99));
                band.push((x, p50, p99));
            }
        }
        let note = format!(
            "From when a notice was due until its 2xx, in stretches of {}; logarithmic",
            moment_words(self.stretch)
        );
        let mut chart = self.chart("Acknowledgement over time", note, axis.marks());
        chart.legend.splice(
            0..0,
            [
                ("p99", "99 of 100 were faster (p99)".to_owned()),
                ("p50", "half were faster (p50)".to_owned()),
            ],
        );
        chart.numbers_faults = chart.faults.len() <= MAX_NUMBERED;
        chart.shapes = vec![
            Shape::Band("p99", band),
            Shape::Line("p99", slow),
            Shape::Line("p50", median),
        ];
        if axis.contains(limit) {
            let words = format!("limit of p99: {}", spoken(limit));
            let level = Shape::Level("limit", axis.at(limit), words);
            chart.shapes.push(level);
        }
        chart
    }

    fn answers(&self) -> Chart {
        let mut counts = vec![[0_usize; Class::ALL.len()]; self.stretches];
        for post in &self.journal.posts {
            let class = Class::of(self.journal, post);
            counts[self.stretch_of(post.ended)][class as usize] += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "drawn")]
        let per_second = |count: usize| count as f64 / self.stretch;
        let highest = counts.iter().map(|it| it.iter().sum::<usize>()).max();
        let axis = Linear::up_to(per_second(highest.unwrap_or_default()).max(1.0), 4.0);
        let mut legend = Vec::new();
        let mut shapes = Vec::new();
        for class in Class::ALL {
            let mut bars = Vec::new();
            for (stretch, counts) in counts.iter().enumerate() {
                let below: usize = counts[..class as usize].iter().sum();
                let count = counts[class as usize];
                if count > 0 {
                    let (left, middle) = self.places(stretch);
                    let right = left + (middle - left) * 1.8;
                    let (bottom, top) = (per_second(below), per_second(below + count));
                    bars.push([left, right.min(SIZE), axis.at(bottom), axis.at(top)]);
                }
            }
            if !bars.is_empty() {
                let (name, words) = class.words();
                legend.push((name, words.to_owned()));
                shapes.push(Shape::Bars(name, bars));
            }
        }
        let note = "Requests answered a second".to_owned();
        let mut chart = self.chart("Answers by code", note, number_marks(axis, ""));
        legend.append(&mut chart.legend);
        chart.legend = legend;
        chart.shapes = shapes;
        chart
    }

    fn in_flight(&self) -> Chart {
        let mut ends = vec![Duration::ZERO; self.journal.shoppers.len()];
        for post in &self.journal.posts {
            if let Some(end) = ends.get_mut(post.shopper as usize) {
                *end = (*end).max(post.ended);
            }
        }
        let mut steps: Vec<(Duration, bool)> = Vec::new();
        for (shopper, end) in self.journal.shoppers.iter().zip(ends) {
            if end > shopper.arrived {
                steps.extend([(shopper.arrived, true), (end, false)]);
            }
        }
        steps.sort_unstable();
        let mut most = vec![0_usize; self.stretches];
        let mut now = 0_usize;
        let mut at = 0;
        for (stretch, most) in most.iter_mut().enumerate() {
            *most = now;
            while let Some((when, arrives)) = steps.get(at) {
                if self.stretch_of(*when) > stretch {
                    break;
                }
                now = if *arrives {
                    now + 1
                } else {
                    now.saturating_sub(1)
                };
                *most = (*most).max(now);
                at += 1;
            }
        }
        let highest = most.iter().copied().max().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "drawn")]
        let (axis, value) = (Linear::counts(highest as f64), |count: usize| count as f64);
        let points: Vec<(f64, f64)> = most
            .iter()
            .enumerate()
            .map(|(stretch, most)| (self.places(stretch).1, axis.at(value(*most))))
            .collect();
        let note = format!(
            "Shoppers between their arrival and the last answer; at most {}",
            thousands(highest)
        );
        let mut chart = self.chart("Orders in flight", note, number_marks(axis, ""));
        chart.shapes = area("count", vec![points]);
        chart
    }

    fn backlog(&self) -> Option<Chart> {
        let mut runs: Vec<Vec<(Duration, u64)>> = vec![Vec::new()];
        for gauge in &self.journal.gauges {
            match (gauge.backlog, runs.last_mut()) {
                (Some(backlog), Some(run)) => run.push((gauge.at, backlog)),
                (None, Some(run)) if run.is_empty() => {}
                (None, _) => runs.push(Vec::new()),
                (Some(_), None) => {}
            }
        }
        let highest = runs.iter().flatten().map(|(_, backlog)| *backlog).max()?;
        #[expect(clippy::cast_precision_loss, reason = "drawn")]
        let (axis, value) = (Linear::counts(highest as f64), |count: u64| count as f64);
        let points = |run: &Vec<(Duration, u64)>| {
            let points = run.iter();
            points
                .map(|(at, backlog)| (self.place(*at), axis.at(value(*backlog))))
                .collect()
        };
        let note = format!(
            "Tasks that were queued, as the instance says; at most {}",
            thousands(usize::try_from(highest).unwrap_or(usize::MAX))
        );
        let mut chart = self.chart("Backlog", note, number_marks(axis, ""));
        chart.shapes = area("count", runs.iter().map(points).collect());
        Some(chart)
    }
}

/// A line and what lies below it.
fn area(class: &'static str, runs: Vec<Vec<(f64, f64)>>) -> Vec<Shape> {
    let below = |run: &Vec<(f64, f64)>| run.iter().map(|(x, y)| (*x, 0.0, *y)).collect();
    let band = runs.iter().map(below).collect();
    vec![Shape::Band(class, band), Shape::Line(class, runs)]
}

fn distribution(title: &'static str, mut times: Vec<Duration>) -> Chart {
    let known = Quantiles::of(&mut times);
    let axis = Decades::around(times.iter().copied());
    let bins = axis.bins(BINS);
    let mut counts = vec![0_usize; bins.len()];
    let mut bin = 0;
    for time in &times {
        while bin + 1 < bins.len() && *time >= bins[bin].1 {
            bin += 1;
        }
        counts[bin] += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "drawn")]
    let share = |count: usize| count as f64 * 100.0 / times.len().max(1) as f64;
    let highest = counts.iter().copied().max().unwrap_or_default();
    let percents = Linear::up_to(share(highest).max(0.1), 4.0);
    let bars = bins.iter().zip(&counts).filter(|(_, count)| **count > 0);
    let bars = bars.map(|((from, to), count)| {
        let (left, right) = (axis.at(*from), axis.at(*to));
        [
            left,
            right - (right - left) * 0.1,
            0.0,
            percents.at(share(*count)),
        ]
    });
    let mut shapes = vec![Shape::Bars("count", bars.collect())];
    let mut legend = Vec::new();
    if known.count > 0 {
        for (class, name, time) in [
            ("p50", "p50", known.p50),
            ("p99", "p99", known.p99),
            ("most", "max", known.max),
        ] {
            legend.push((class, format!("{name} {}", spoken(time))));
            shapes.push(Shape::Pole(class, axis.at(time)));
        }
    }
    Chart {
        title,
        note: format!(
            "Share of {} in each tenth of a power of ten; logarithmic",
            thousands(known.count)
        ),
        legend,
        x: axis.marks(),
        y: number_marks(percents, " %"),
        shapes,
        faults: Vec::new(),
        numbers_faults: false,
    }
}

/// What an answer means.
#[derive(Clone, Copy)]
enum Class {
    Accepted,
    RefusedRightly,
    PutOff,
    Unanswered,
    Refused,
}

impl Class {
    /// From the ground up.
    const ALL: [Self; 5] = [
        Self::Accepted,
        Self::RefusedRightly,
        Self::PutOff,
        Self::Unanswered,
        Self::Refused,
    ];

    fn of(journal: &Journal, post: &Post) -> Self {
        let is_to_be_refused = notice_of(journal, post).is_some_and(|notice| {
            notice.kind == Kind::Forged || notice.says == Says::UnknownPlayer
        });
        match post.answer {
            Answer::Code(200..=299) => Self::Accepted,
            Answer::Code(400..=499) if is_to_be_refused => Self::RefusedRightly,
            Answer::Code(400..=499) => Self::Refused,
            Answer::Code(_) => Self::PutOff,
            Answer::Unsent | Answer::Unknown => Self::Unanswered,
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Accepted => ("accepted", "2xx: accepted"),
            Self::RefusedRightly => ("rightly", "4xx: forged, or an unknown player"),
            Self::PutOff => ("later", "5xx and others: later, please"),
            Self::Unanswered => ("none", "no answer"),
            Self::Refused => ("refused", "4xx: refused for good"),
        }
    }
}
