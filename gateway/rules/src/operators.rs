//! Counts the operators of a source that work through a whole text in one go.

use full_moon::ast::{BinOp, CompoundAssignment, Expression, FunctionBody, UnOp};
use full_moon::visitors::Visitor;

use crate::deep;

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

/// The most of them in one function, without those in the functions within it; the main part counts as one. Only for
/// sources that compile.
pub(crate) fn most_in_a_function(source: &str) -> Option<usize> {
    deep::on_large_stack(|| {
        let tree = full_moon::parse_fallible(source, full_moon::LuaVersion::luau())
            .into_result()
            .ok()?;
        let mut counted = PerFunction { open: vec![0], most: 0 };
        counted.visit_ast(&tree);
        Some(counted.open.into_iter().fold(counted.most, usize::max))
    })
    .flatten()
}

/// Counts for every function that the walk is in, outermost first.
struct PerFunction {
    open: Vec<usize>,
    most: usize,
}

impl PerFunction {
    fn add(&mut self) {
        if let Some(innermost) = self.open.last_mut() {
            *innermost += 1;
        }
    }
}

impl Visitor for PerFunction {
    fn visit_function_body(&mut self, _: &FunctionBody) {
        self.open.push(0);
    }

    fn visit_function_body_end(&mut self, _: &FunctionBody) {
        self.most = self.open.pop().map_or(self.most, |count| count.max(self.most));
    }

    fn visit_expression(&mut self, expression: &Expression) {
        let works = match expression {
            Expression::BinaryOperator { binop, .. } => !matches!(
                binop,
                BinOp::And(_) | BinOp::Or(_) | BinOp::TwoEqual(_) | BinOp::TildeEqual(_)
            ),
            Expression::UnaryOperator { unop, .. } => matches!(unop, UnOp::Minus(_)),
            _ => false,
        };
        if works {
            self.add();
        }
    }

    fn visit_compound_assignment(&mut self, _: &CompoundAssignment) {
        self.add();
    }
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
    fn counts_those_of_each_function_apart() {
        for (source, expected) in [
            ("return 1 + 2 - -3", 3),
            ("local function f(a) return a + a end return f(1) + 2 + 3", 2),
            (
                "local f = function(a) a += 1 a ..= 'x' return function() return a < 1 end end",
                2,
            ),
            ("return 1 and 2 or 3 == 4", 0),
        ] {
            assert_eq!(most_in_a_function(source), Some(expected), "{source}");
        }
    }

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
