//! One chart: a plot that stretches with the page, and axes whose texts do not.

use std::fmt::Write as _;

use super::page::Page;
use super::scale::{Linear, SIZE, moment_words};

/// Texts of an axis, from 0 to [`SIZE`].
pub(super) type Marks = Vec<(f64, String)>;

/// Something shown on a plot.
pub(super) enum Shape {
    /// A line through these points; a gap between the runs.
    Line(&'static str, Vec<Vec<(f64, f64)>>),
    /// What lies between these two lines, from left to right.
    Band(&'static str, Vec<Vec<(f64, f64, f64)>>),
    /// From the ground up: left, right, bottom, top.
    Bars(&'static str, Vec<[f64; 4]>),
    /// An upright line.
    Pole(&'static str, f64),
    /// A level line, with a text at its end.
    Level(&'static str, f64, String),
}

/// What is drawn and what is said about it.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// Units, and how to read it.
    pub(super) note: String,
    /// Class and words of each thing shown.
    pub(super) legend: Vec<(&'static str, String)>,
    pub(super) x: Marks,
    pub(super) y: Marks,
    pub(super) shapes: Vec<Shape>,
    /// Stretches of the x axis at which something was broken on purpose.
    pub(super) faults: Vec<(f64, f64)>,
    /// Whether they have numbers.
    pub(super) numbers_faults: bool,
}

/// The marks of a time axis.
pub(super) fn time_marks(axis: Linear) -> Marks {
    let marks = axis.marks().into_iter();
    marks
        .map(|mark| (axis.at(mark), moment_words(mark)))
        .collect()
}

/// The marks of an axis of numbers with a unit.
pub(super) fn number_marks(axis: Linear, unit: &str) -> Marks {
    let marks = axis.marks().into_iter();
    marks
        .map(|mark| (axis.at(mark), format!("{}{unit}", short(mark))))
        .collect()
}

/// `0.5`, `20`, `4k`.
fn short(number: f64) -> String {
    if number >= 10_000.0 {
        return format!("{}k", number / 1_000.0);
    }
    let digits = usize::from(number.fract() >= 0.001);
    format!("{number:.digits$}")
}

impl Chart {
    pub(super) fn write(&self, page: &mut Page) {
        page.raw("<figure><figcaption><h3>")
            .text(self.title)
            .raw("</h3><p>");
        page.text(&self.note).raw("</p>");
        if !self.legend.is_empty() {
            page.raw("<ul class=\"legend\">");
            for (class, words) in &self.legend {
                page.raw("<li><i class=\"").text(class).raw("\"></i>");
                page.text(words).raw("</li>");
            }
            page.raw("</ul>");
        }
        page.raw("</figcaption><div class=\"plot\"><div class=\"y\" aria-hidden=\"true\">");
        for (at, words) in &self.y {
            page.raw("<span style=\"bottom:")
                .text(percent(*at))
                .raw("%\">");
            page.text(words).raw("</span>");
        }
        page.raw(
            "</div><div class=\"field\"><svg viewBox=\"0 0 1000 1000\" \
                  preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
        );
        page.text(format_args!("{}: {}", self.title, self.note))
            .raw("\">");
        self.ground(page);
        for shape in &self.shapes {
            shape.write(page);
        }
        page.raw("</svg>");
        self.words(page);
        page.raw("</div><div class=\"x\" aria-hidden=\"true\">");
        for (place, (at, words)) in self.x.iter().enumerate() {
            // On a narrow page every second text is left out.
            let class = if place % 2 == 1 { "odd" } else { "even" };
            page.raw("<span class=\"")
                .text(class)
                .raw("\" style=\"left:");
            page.text(percent(*at))
                .raw("%\">")
                .text(words)
                .raw("</span>");
        }
        page.raw("</div></div></figure>");
    }

    fn ground(&self, page: &mut Page) {
        for (from, to) in &self.faults {
            // A moment is still to be seen.
            let width = (to - from).max(2.0);
            page.raw("<rect class=\"fault\" y=\"0\" height=\"1000\" x=\"")
                .text(place(*from));
            page.raw("\" width=\"").text(place(width)).raw("\"/>");
        }
        for (at, _) in &self.y {
            let y = place(SIZE - at);
            page.raw("<path class=\"grid\" d=\"M0 ")
                .text(&y)
                .raw("H1000\"/>");
        }
    }

    /// What is written into the field.
    fn words(&self, page: &mut Page) {
        if self.numbers_faults {
            for (number, (from, to)) in (1_u32..).zip(&self.faults) {
                page.raw("<span class=\"number-of-fault\" style=\"left:");
                page.text(percent((from + to) / 2.0)).raw("%\">");
                page.text(number).raw("</span>");
            }
        }
        for shape in &self.shapes {
            if let Shape::Level(class, at, words) = shape {
                page.raw("<span class=\"level ").text(class);
                page.raw("\" style=\"bottom:")
                    .text(percent(*at))
                    .raw("%\">");
                page.text(words).raw("</span>");
            }
        }
    }
}

impl Shape {
    fn write(&self, page: &mut Page) {
        let (class, path) = match self {
            Self::Line(class, runs) => (class, lines(runs)),
            Self::Band(class, runs) => (class, bands(runs)),
            Self::Bars(class, bars) => (class, boxes(bars)),
            Self::Pole(class, at) => (class, format!("M{} 0V1000", place(*at))),
            Self::Level(class, at, _) => (class, format!("M0 {}H1000", place(SIZE - at))),
        };
        let form = match self {
            Self::Line(..) | Self::Level(..) => "line",
            Self::Pole(..) => "line pole",
            Self::Band(..) | Self::Bars(..) => "area",
        };
        page.raw("<path class=\"")
            .text(form)
            .raw(" ")
            .text(class)
            .raw("\" d=\"");
        page.text(path).raw("\"/>");
    }
}

/// Writing to a text cannot fail.
fn point(path: &mut String, command: char, x: f64, y: f64) {
    let _ = write!(path, "{command}{} {}", place(x), place(SIZE - y));
}

fn lines(runs: &[Vec<(f64, f64)>]) -> String {
    let mut path = String::new();
    for run in runs {
        for (at, (x, y)) in run.iter().enumerate() {
            point(&mut path, if at == 0 { 'M' } else { 'L' }, *x, *y);
        }
        // A single point is a dot: the ends of lines are round.
        if let [(x, y)] = run.as_slice() {
            point(&mut path, 'L', *x, *y);
        }
    }
    path
}

fn bands(runs: &[Vec<(f64, f64, f64)>]) -> String {
    let mut path = String::new();
    for run in runs {
        for (at, (x, _, top)) in run.iter().enumerate() {
            point(&mut path, if at == 0 { 'M' } else { 'L' }, *x, *top);
        }
        for (x, bottom, _) in run.iter().rev() {
            point(&mut path, 'L', *x, *bottom);
        }
        path.push('Z');
    }
    path
}

fn boxes(bars: &[[f64; 4]]) -> String {
    let mut path = String::new();
    for [left, right, bottom, top] in bars {
        point(&mut path, 'M', *left, *bottom);
        let _ = write!(
            path,
            "V{}H{}V{}Z",
            place(SIZE - top),
            place(*right),
            place(SIZE - bottom)
        );
    }
    path
}

/// A coordinate, to a tenth of a unit.
fn place(at: f64) -> String {
    let rounded = (at * 10.0).round() / 10.0;
    // No minus before a zero.
    format!("{}", rounded + 0.0)
}

fn percent(at: f64) -> String {
    format!("{:.2}", at / SIZE * 100.0)
}
