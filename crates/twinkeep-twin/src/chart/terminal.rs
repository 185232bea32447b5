//! The chart as text, for a terminal.
//!
//! With Unicode, a cell is a braille letter of 2 by 4 dots; without, a cell is one ASCII letter.
//! Information is never in color alone: there is none.

use super::scale::{decimals, hour_label};
use super::{Chart, Scale};

/// Which letters the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Braille and box drawing.
    Unicode,
    /// ASCII only.
    Ascii,
}

/// Draws a chart in lines of at most `width` letters, `height` of them for the plot itself.
///
/// Widths below 40 and heights below 6 are drawn as 40 and 6; above 400 and 100, as those.
pub fn terminal(chart: &Chart<'_>, width: usize, height: usize, letters: Letters) -> String {
    let (width, height) = (width.clamp(40, 400), height.clamp(6, 100));
    let (hours, values) = (chart.time_scale(), chart.value_scale());
    let labels = value_labels(&values, height);
    let margin = labels.iter().flatten().map(String::len).max().unwrap_or(0);
    // One space, the label, one space, the axis.
    let mut plot = Plot::new(width - margin - 3, height, letters, hours, values);
    plot.fan(chart);
    plot.history(chart);
    let axis = if letters == Letters::Unicode { '│' } else { '|' };
    let mut out = format!(" {}{}\n", chart.title, bracketed(&chart.unit_suffix()));
    for (row, label) in labels.iter().enumerate() {
        let label = label.as_deref().unwrap_or("");
        let line = format!(" {label:>margin$} {axis}{}", plot.line(row));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str(&plot.hour_axis(margin));
    for line in wrap(&chart.describe(), width - 1) {
        out.push_str(&format!(" {line}\n"));
    }
    if letters == Letters::Ascii { to_ascii(&out) } else { out }
}

/// What a cell of the ASCII chart shows; the largest wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Nothing,
    Outer,
    Inner,
    Now,
    Median,
    Observed,
}

struct Plot {
    columns: usize,
    rows: usize,
    letters: Letters,
    hours: Scale,
    values: Scale,
    /// Braille dots of each cell, as the low byte of the letter.
    dots: Vec<u8>,
    marks: Vec<Mark>,
    now: usize,
}

impl Plot {
    fn new(columns: usize, rows: usize, letters: Letters, hours: Scale, values: Scale) -> Self {
        let now = (hours.place(0.0) * (columns - 1) as f32).round() as usize;
        let marks = vec![Mark::Nothing; columns * rows];
        Self { columns, rows, letters, hours, values, dots: vec![0; columns * rows], marks, now }
    }

    /// Places on the grid of dots: 2 a column, 4 a row.
    fn dot(&self, hours: f32, value: f32) -> (usize, usize) {
        let x = self.hours.place(hours) * (self.columns * 2 - 1) as f32;
        let y = (1.0 - self.values.place(value)) * (self.rows * 4 - 1) as f32;
        (x.round() as usize, y.round() as usize)
    }

    fn set(&mut self, (x, y): (usize, usize), mark: Mark) {
        let cell = (y / 4) * self.columns + x / 2;
        // A line would drown in the dots of the band around it.
        if Mark::Median <= mark && self.marks[cell] < Mark::Median {
            self.dots[cell] = 0;
        }
        self.dots[cell] |= DOTS[y % 4][x % 2];
        self.marks[cell] = self.marks[cell].max(mark);
    }

    fn line_between(&mut self, from: (usize, usize), to: (usize, usize), mark: Mark) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            let along = |a: usize, b: usize| {
                let share = step as f32 / steps as f32;
                (a as f32 + (b as f32 - a as f32) * share).round() as usize
            };
            self.set((along(from.0, to.0), along(from.1, to.1)), mark);
        }
    }

    /// The 90 % band is sparse dots, the 50 % band denser ones, the median a line.
    fn fan(&mut self, chart: &Chart<'_>) {
        let points = chart.points;
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let from = self.dot(first.horizon_hours, 0.0).0;
        let to = self.dot(last.horizon_hours, 0.0).0;
        for x in from..=to {
            let hours = self.hours.low
                + x as f32 / (self.columns * 2 - 1) as f32 * (self.hours.high - self.hours.low);
            let at =
                points.partition_point(|point| point.horizon_hours < hours).min(points.len() - 1);
            let q = points[at].quantiles;
            for (low, high, mark) in [(q[0], q[6], Mark::Outer), (q[2], q[4], Mark::Inner)] {
                let (top, bottom) = (self.dot(hours, high).1, self.dot(hours, low).1);
                for y in top..=bottom {
                    let shown = match mark {
                        Mark::Outer => (x % 4 == 0 && y % 4 == 0) || (x % 4 == 2 && y % 4 == 2),
                        _ => (x + y) % 2 == 0,
                    };
                    if shown {
                        self.set((x, y), mark);
                    } else {
                        let cell = (y / 4) * self.columns + x / 2;
                        self.marks[cell] = self.marks[cell].max(mark);
                    }
                }
            }
        }
        for pair in points.windows(2) {
            let from = self.dot(pair[0].horizon_hours, pair[0].median());
            let to = self.dot(pair[1].horizon_hours, pair[1].median());
            self.line_between(from, to, Mark::Median);
        }
        if let [only] = points {
            let place = self.dot(only.horizon_hours, only.median());
            self.set(place, Mark::Median);
        }
    }

    fn history(&mut self, chart: &Chart<'_>) {
        for pair in chart.history.windows(2) {
            let (from, to) = (self.dot(pair[0].0, pair[0].1), self.dot(pair[1].0, pair[1].1));
            match self.letters {
                Letters::Unicode => self.line_between(from, to, Mark::Observed),
                Letters::Ascii => self.set(from, Mark::Observed),
            }
        }
        if let Some((hours, value)) = chart.last() {
            let place = self.dot(hours, value);
            self.set(place, Mark::Observed);
        }
    }

    fn line(&self, row: usize) -> String {
        (0..self.columns).map(|column| self.letter(row, column)).collect()
    }

    fn letter(&self, row: usize, column: usize) -> char {
        let cell = row * self.columns + column;
        let now = column == self.now;
        match self.letters {
            Letters::Unicode if self.dots[cell] != 0 => {
                char::from_u32(0x2800 + u32::from(self.dots[cell])).unwrap_or(' ')
            }
            Letters::Unicode if now => '┊',
            Letters::Unicode => ' ',
            Letters::Ascii => {
                match self.marks[cell].max(if now { Mark::Now } else { Mark::Nothing }) {
                    Mark::Nothing => ' ',
                    Mark::Outer => '.',
                    Mark::Inner => ':',
                    Mark::Now => '|',
                    Mark::Median => 'o',
                    Mark::Observed => '*',
                }
            }
        }
    }

    /// Draws the axis of hours with its labels, of which none overlaps another.
    fn hour_axis(&self, margin: usize) -> String {
        let (corner, line, tick) =
            if self.letters == Letters::Unicode { ('└', '─', '┴') } else { ('+', '-', '+') };
        let mut axis = vec![line; self.columns];
        let mut labels = vec![' '; self.columns];
        let mut ticks = self.hours.ticks();
        // `now` and the end are placed first, so that they are never the ones left out.
        let last = ticks.last().copied();
        ticks.sort_by_key(|&hours| (hours != 0.0, Some(hours) != last));
        for hours in ticks {
            let column = (self.hours.place(hours) * (self.columns - 1) as f32).round() as usize;
            axis[column] = tick;
            let label: Vec<char> = hour_label(hours, "-").chars().collect();
            let start = column.saturating_sub(label.len() / 2).min(self.columns - label.len());
            let around = start.saturating_sub(1)..(start + label.len() + 1).min(self.columns);
            if labels[around].iter().all(|&letter| letter == ' ') {
                labels[start..start + label.len()].copy_from_slice(&label);
            }
        }
        let axis: String = axis.into_iter().collect();
        let labels: String = labels.into_iter().collect();
        let indent = " ".repeat(margin + 2);
        format!("{indent}{corner}{axis}\n{indent} {}\n", labels.trim_end())
    }
}

/// Returns the label of each row of the plot, where a tick falls on it.
fn value_labels(values: &Scale, rows: usize) -> Vec<Option<String>> {
    let places = decimals(values.step);
    let mut labels = vec![None; rows];
    for tick in values.ticks() {
        let row = ((1.0 - values.place(tick)) * (rows - 1) as f32).round() as usize;
        labels[row] = Some(format!("{tick:.places$}"));
    }
    labels
}

fn bracketed(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" ({})", unit.trim_start()) }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub(super) fn to_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '°' => {}
            'µ' => out.push('u'),
            _ if letter.is_ascii() => out.push(letter),
            _ => out.push('?'),
        }
    }
    out
}

/// Bits of the dots of a braille letter, by row and column.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
