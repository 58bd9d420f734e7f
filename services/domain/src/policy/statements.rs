//! Where each rule of a Cedar file begins and ends, so that every fault can be told with its line.

/// A rule's text and where it begins in its file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// From its first annotation or word to its semicolon.
    pub text: &'a str,
    /// Where that begins.
    pub offset: usize,
}

/// The rules of a file, in order. What follows the last semicolon, if anything, comes last.
pub fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let (mut start, mut at) = (None, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = end_of_line(bytes, at),
            b'"' => {
                start.get_or_insert(at);
                at = end_of_string(bytes, at);
            }
            b';' => {
                let offset = start.take().unwrap_or(at);
                at += 1;
                found.push(Statement {
                    text: &text[offset..at],
                    offset,
                });
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    start.get_or_insert(at);
                }
                at += 1;
            }
        }
    }
    if let Some(offset) = start {
        found.push(Statement {
            text: text[offset..].trim_end(),
            offset,
        });
    }
    found
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let length = bytes[at..].iter().position(|byte| *byte == b'\n');
    length.map_or(bytes.len(), |length| at + length)
}

/// The place after a string that begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_strings_and_comments_end_nothing() {
        let text = "// a; b\n@cure(\"x; \\\"y;\") permit (a); // c;\n\n forbid (ü);";
        let found: Vec<_> = statements(text)
            .iter()
            .map(|found| (found.offset, found.text))
            .collect();
        let second = text.find("forbid").unwrap();
        assert_eq!(
            found,
            [(8, "@cure(\"x; \\\"y;\") permit (a);"), (second, "forbid (ü);")]
        );
    }

    #[test]
    fn what_is_not_ended_is_a_statement_too() {
        assert_eq!(statements("permit (\"a;").len(), 1);
        assert_eq!(statements(" // nothing\n").len(), 0);
        assert_eq!(statements(";").len(), 1);
    }
}
