//! The contrasts of the drawing (WCAG 2.2, 1.4.3 and 1.4.11), which no tool can
//! tell from the page: text of 4.5 to 1, other things of 3 to 1, in light and in
//! the dark.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../../../assets/base.css");

/// What is written or drawn, and on what.
const PAIRS: [(&str, &str, f64); 26] = [
    ("ink", "surface", 4.5),
    ("quiet", "surface", 4.5),
    ("quiet", "ground", 4.5),
    ("ok", "surface", 4.5),
    ("no", "surface", 4.5),
    ("ink", "iss-ground", 4.5),
    ("ink", "sub-ground", 4.5),
    ("ink", "aud-ground", 4.5),
    // The number of a step.
    ("surface", "ink", 4.5),
    // Signs and arrows.
    ("ok", "ok-ground", 3.0),
    ("no", "no-ground", 3.0),
    ("edge", "surface", 3.0),
    ("ok", "ground", 3.0),
    ("no", "ground", 3.0),
    ("edge", "ground", 3.0),
    // The signs between equal values, and their edges.
    ("iss", "surface", 4.5),
    ("sub", "surface", 4.5),
    ("aud", "surface", 4.5),
    ("iss", "iss-ground", 3.0),
    ("sub", "sub-ground", 3.0),
    ("aud", "aud-ground", 3.0),
    ("no", "iss-ground", 3.0),
    ("no", "sub-ground", 3.0),
    ("no", "aud-ground", 3.0),
    // What is left of a token's life.
    ("ok", "sunken", 3.0),
    ("ok", "surface", 3.0),
];

/// The colours of a scheme: the second one says what differs from the first.
fn scheme(dark: bool) -> BTreeMap<&'static str, [u8; 3]> {
    let parts: Vec<&str> = STYLE.split(":root {").collect();
    let read = if dark { 3 } else { 2 };
    parts[1..read]
        .iter()
        .flat_map(|part| part.split('}').next().expect("an end").lines())
        .filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
            let value = value.trim_end_matches(';');
            let part = |at: usize| u8::from_str_radix(&value[at..at + 2], 16).expect("a colour");
            Some((name, [part(0), part(2), part(4)]))
        })
        .collect()
}

/// Relative luminance.
fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn everything_in_the_drawing_can_be_told_from_what_is_behind_it() {
    for dark in [false, true] {
        let colours = scheme(dark);
        for (front, behind, least) in PAIRS {
            let found = contrast(colours[front], colours[behind]);
            assert!(
                found >= least,
                "{front} on {behind}, dark {dark}: {found:.2} is less than {least}"
            );
        }
    }
}
