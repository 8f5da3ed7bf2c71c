//! Times as Go's time.Time writes them in JSON: RFC 3339 in UTC, up to nine fractional digits, trailing zeros and an empty
//! fraction left out. `2025-03-04T05:06:07.12Z`, `1969-12-31T23:59:59.999999999Z`.
//!
//! Source: Go time/format_rfc3339.go; kopia fs/utc_timestamp.go; src/base/go-time.ts.

const NS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH_MARCH_YEAR: i64 = 719_468;
const DAYS_PER_400_YEARS: i64 = 146_097;

/// Since the Unix epoch, as a file system gives it: the nanoseconds always count forward. In order of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Time {
    pub const EPOCH: Self = Self { seconds: 0, nanoseconds: 0 };
    /// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z, the ends of what RFC 3339 can say.
    pub const MIN: Self = Self { seconds: -62_167_219_200, nanoseconds: 0 };
    pub const MAX: Self = Self { seconds: 253_402_300_799, nanoseconds: 999_999_999 };

    /// The nearest that can be written: a file system may hold any 64-bit number of seconds.
    pub fn clamped(self) -> Self {
        self.clamp(Self::MIN, Self::MAX)
    }

    pub fn as_ns(self) -> i128 {
        i128::from(self.seconds) * NS_PER_SECOND + i128::from(self.nanoseconds)
    }

    /// Undefined where the seconds have more than 64 bits.
    pub fn of_ns(ns: i128) -> Option<Self> {
        let seconds = i64::try_from(ns.div_euclid(NS_PER_SECOND)).ok()?;
        Some(Self { seconds, nanoseconds: ns.rem_euclid(NS_PER_SECOND) as u32 })
    }
}

/// The nearest time that can be written.
pub fn push_go_time(target: &mut Vec<u8>, time: Time) {
    let Time { seconds, nanoseconds } = time.clamped();
    let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY) as u32);
    let (year, month, day) = date_of(days);
    let mut text = *b"0000-00-00T00:00:00";
    put_digits(&mut text[0..4], year);
    put_digits(&mut text[5..7], month);
    put_digits(&mut text[8..10], day);
    put_digits(&mut text[11..13], second / 3600);
    put_digits(&mut text[14..16], second / 60 % 60);
    put_digits(&mut text[17..19], second % 60);
    target.extend_from_slice(&text);
    if nanoseconds != 0 {
        let mut fraction = *b".000000000";
        put_digits(&mut fraction[1..], nanoseconds);
        let zeros = fraction.iter().rev().take_while(|&&digit| digit == b'0').count();
        target.extend_from_slice(&fraction[..fraction.len() - zeros]);
    }
    target.push(b'Z');
}

/// None unless the text is RFC 3339, of any offset, and lies in the years 0 to 9999 in UTC. As in Go, digits past the
/// ninth are dropped.
pub fn parse_go_time(text: &[u8]) -> Option<Time> {
    let (date, rest) = text.split_at_checked(19)?;
    for (at, separator) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if date[at] != separator {
            return None;
        }
    }
    let (year, month, day) = (digits(&date[0..4])?, digits(&date[5..7])?, digits(&date[8..10])?);
    let (hour, minute, second) = (digits(&date[11..13])?, digits(&date[14..16])?, digits(&date[17..19])?);
    let (nanoseconds, zone) = take_fraction(rest)?;
    let offset_minutes = parse_zone(zone)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let seconds = days_from_epoch(year, month, day) * SECONDS_PER_DAY + of_day - offset_minutes * 60;
    let time = Time { seconds, nanoseconds };
    (Time::MIN..=Time::MAX).contains(&time).then_some(time)
}

fn take_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(fraction) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let kept = length.min(9);
    let nanoseconds = digits(&fraction[..kept])? * 10_u32.pow(9 - kept as u32);
    Some((nanoseconds, &fraction[length..]))
}

fn parse_zone(text: &[u8]) -> Option<i64> {
    if text == b"Z" {
        return Some(0);
    }
    let &[sign @ (b'+' | b'-'), ref hour @ .., b':', ten, one] = text else { return None };
    let (hour, minute) = (digits(hour.try_into().ok().map(|two: &[u8; 2]| &two[..])?)?, digits(&[ten, one])?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let minutes = i64::from(hour * 60 + minute);
    Some(if sign == b'-' { -minutes } else { minutes })
}

/// At most nine of them.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

fn put_digits(target: &mut [u8], value: u32) {
    let mut rest = value;
    for digit in target.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// In the proleptic Gregorian calendar. A year that begins in March has its leap day last, and the days before each month
/// follow one formula.
fn days_from_epoch(year: u32, month: u32, day: u32) -> i64 {
    let march_year = i64::from(year) - i64::from(month <= 2);
    let march_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    let leap_days = march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    march_year * 365 + leap_days + day_of_year - DAYS_TO_EPOCH_MARCH_YEAR
}

/// The inverse: year, month and day.
fn date_of(days_from_epoch: i64) -> (u32, u32, u32) {
    let days = days_from_epoch + DAYS_TO_EPOCH_MARCH_YEAR;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_400_YEARS), days.rem_euclid(DAYS_PER_400_YEARS));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(time: Time) -> String {
        let mut text = vec![];
        push_go_time(&mut text, time);
        String::from_utf8(text).unwrap()
    }

    fn at(ns: i128) -> Time {
        Time::of_ns(ns).unwrap()
    }

    #[test]
    fn times_are_written_and_read_as_go_does() {
        for (text, ns) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2025-03-04T05:06:07Z", 1_741_064_767_000_000_000),
            ("2025-03-04T05:06:07.12Z", 1_741_064_767_120_000_000),
            ("2025-01-15T10:30:00.000000001Z", 1_736_937_000_000_000_001),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("1969-12-31T23:59:59Z", -1_000_000_000),
            ("1754-08-30T22:43:41.128654848Z", -6_795_364_578_871_345_152),
            ("2262-04-11T23:47:16.854775807Z", 9_223_372_036_854_775_807),
            ("2024-02-29T12:00:00.5Z", 1_709_208_000_500_000_000),
            ("0000-01-01T00:00:00Z", Time::MIN.as_ns()),
            ("9999-12-31T23:59:59.999999999Z", Time::MAX.as_ns()),
        ] {
            assert_eq!(text_of(at(ns)), text);
            assert_eq!(parse_go_time(text.as_bytes()), Some(at(ns)));
        }
    }

    #[test]
    fn any_offset_is_read_and_digits_past_the_ninth_are_dropped() {
        for (text, ns) in [
            ("1970-01-01T01:30:00+01:30", 0),
            ("1969-12-31T16:00:00.5-08:00", 500_000_000),
            ("1970-01-01T00:00:00.100000000Z", 100_000_000),
            ("1970-01-01T00:00:00.1234567899Z", 123_456_789),
            ("1970-01-01T00:00:00-00:00", 0),
        ] {
            assert_eq!(parse_go_time(text.as_bytes()), Some(at(ns)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01t00:00:00z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00,5Z",
            "1970-1-01T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-00-01T00:00:00Z",
            "1970-04-31T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+00:60",
            "1970-01-01T00:00:00+0:00",
            "1970-01-01T00:00:00+000:00",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "1970-01-01T00:00:00Z\n",
            "1970-01-01T00:00:0٣Z",
        ] {
            assert_eq!(parse_go_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_ten_thousand_years_reads_back() {
        let mut time = Time { seconds: Time::MIN.seconds, nanoseconds: 120 };
        while time <= Time::MAX {
            assert_eq!(parse_go_time(text_of(time).as_bytes()), Some(time));
            time.seconds += SECONDS_PER_DAY + 1;
        }
    }

    #[test]
    fn a_time_that_cannot_be_written_is_written_as_the_nearest() {
        for seconds in [i64::MIN, Time::MIN.seconds - 1] {
            assert_eq!(text_of(Time { seconds, nanoseconds: 5 }), "0000-01-01T00:00:00Z");
        }
        for seconds in [i64::MAX, Time::MAX.seconds + 1] {
            assert_eq!(text_of(Time { seconds, nanoseconds: 5 }), "9999-12-31T23:59:59.999999999Z");
        }
        assert_eq!(Time::of_ns(i128::MAX), None);
        assert!(Time { seconds: -1, nanoseconds: 5 } < Time::EPOCH);
    }
}
