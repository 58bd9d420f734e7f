//! Numbers as people read them.

/// `13.9B` for 13,906,320,896.
pub fn parameters(count: u64) -> String {
    let (unit, letter) = match count {
        1_000_000_000.. => (1_000_000_000, "B"),
        _ => (1_000_000, "M"),
    };
    format!("{}{letter}", tenths(count, unit))
}

/// `8.5 GB` for 8,500,000,000.
pub fn bytes(count: u64) -> String {
    match count {
        1_000_000_000.. => format!("{} GB", tenths(count, 1_000_000_000)),
        _ => format!("{} MB", tenths(count, 1_000_000)),
    }
}

/// `8,192` for 8192.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn tenths(count: u64, unit: u64) -> String {
    let tenths = (u128::from(count) * 10 + u128::from(unit) / 2) / u128::from(unit);
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(parameters(13_906_320_896), "13.9B");
        assert_eq!(parameters(9_000_000_000), "9B");
        assert_eq!(parameters(3_892_736), "3.9M");
        assert_eq!(bytes(8_500_000_000), "8.5 GB");
        assert_eq!(bytes(7_794_720), "7.8 MB");
        assert_eq!(grouped(8192), "8,192");
        assert_eq!(grouped(131_072), "131,072");
        assert_eq!(grouped(7), "7");
    }
}
