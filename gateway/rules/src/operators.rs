//! Counts the operators of a source that work through a whole text in one go.

/// Arithmetic, order and `..`: what may take long on a long text. Comments and texts do not count; what stands inside
/// an interpolated text does, expression or not. A source that does not compile may be counted in any way.
pub(crate) fn count(source: &str) -> usize {
    let mut rest = source.as_bytes();
    let mut found = 0;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'-', [b'-', comment @ ..]) => skip_comment(comment),
            (b'"' | b'\'', _) => skip_quoted(after, *first),
            (b'[', [b'[' | b'=', ..]) => skip_long(rest).unwrap_or(after),
            (b'.', [b'.', tail @ ..]) => {
                found += 1;
                tail
            }
            (b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'<' | b'>', _) => {
                found += 1;
                after
            }
            _ => after,
        };
    }
    found
}

fn skip_comment(comment: &[u8]) -> &[u8] {
    skip_long(comment).unwrap_or_else(|| {
        let end = comment.iter().position(|byte| *byte == b'\n').unwrap_or(comment.len());
        comment.get(end..).unwrap_or_default()
    })
}

/// The rest after a closing quote; a line's end closes too, because an unfinished text does not compile anyway.
fn skip_quoted(mut rest: &[u8], quote: u8) -> &[u8] {
    loop {
        rest = match rest {
            // `\z` skips the white space after it, line ends included.
            [b'\\', b'z', tail @ ..] => tail.trim_ascii_start(),
            [b'\\', b'\r', b'\n', tail @ ..] | [b'\\', _, tail @ ..] => tail,
            [byte, tail @ ..] if *byte == quote || *byte == b'\n' => return tail,
            [_, tail @ ..] => tail,
            [] => return rest,
        };
    }
}

/// The rest after a long bracket such as `[==[ … ]==]`, if one starts here.
fn skip_long(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"[")?;
    let level = inner.iter().take_while(|byte| **byte == b'=').count();
    let body = inner.get(level..)?.strip_prefix(b"[")?;
    let end = body.windows(level + 2).position(|window| match window {
        [b']', marks @ .., b']'] => marks.iter().all(|byte| *byte == b'='),
        _ => false,
    })?;
    body.get(end + level + 2..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_operators_and_nothing_else() {
        for (source, expected) in [
            ("a + b", 1),
            ("a..b", 1),
            ("a ..= b", 1),
            ("a < b and c >= d", 2),
            ("-- a + b", 0),
            ("-- a + b\nc + d", 1),
            ("--[[ a + b\n ]] c + d", 1),
            ("--[==[ a ]] + b ]==] c + d", 1),
            ("x = 'a + b' + c", 1),
            (r#"x = "a \" + b" + c"#, 1),
            ("x = 'a \\z\n  + b' + c", 1),
            ("x = [[ a + b ]] + c", 1),
            ("x = [=[ a ]] + b ]=] + c", 1),
            ("x = t[1] + t[i - 1]", 2),
            ("x = t[[[k]]] + 1", 1),
            ("x = `{a + b}`", 1),
            ("f(...)", 1),
            ("a == b ~= c", 0),
        ] {
            assert_eq!(count(source), expected, "{source}");
        }
    }
}
