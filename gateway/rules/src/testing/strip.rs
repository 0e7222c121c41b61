//! Takes the tests out of a source, so that no payment waits for them to be loaded.

use std::borrow::Cow;

use full_moon::ast::{Ast, Expression, Prefix, Stmt, Var};
use full_moon::node::Node;
use full_moon::tokenizer::TokenReference;

use crate::deep;

const TEST: &str = "test";

/// The source with blanks in place of every `test(…)` at its top level; lines stay where they are. Only for sources
/// that compile.
pub(crate) fn without_tests(text: &str) -> Cow<'_, str> {
    if !text.lines().any(|line| line.trim_start().starts_with(TEST)) {
        return Cow::Borrowed(text);
    }
    match deep::on_large_stack(|| spans(text)) {
        Some(spans) if !spans.is_empty() => Cow::Owned(blanked(text, &spans)),
        _ => Cow::Borrowed(text),
    }
}

fn blanked(text: &str, spans: &[(usize, usize)]) -> String {
    let mut left = String::with_capacity(text.len());
    for (position, letter) in text.char_indices() {
        let inside = spans.iter().any(|(start, end)| (*start..*end).contains(&position));
        left.push(if inside && !matches!(letter, '\n' | '\r') {
            ' '
        } else {
            letter
        });
    }
    left
}

fn spans(text: &str) -> Vec<(usize, usize)> {
    let Ok(tree) = full_moon::parse_fallible(text, full_moon::LuaVersion::luau()).into_result() else {
        return Vec::new();
    };
    if has_own(&tree) {
        return Vec::new();
    }
    tree.nodes()
        .stmts()
        .filter_map(|statement| match statement {
            Stmt::FunctionCall(call) if matches!(call.prefix(), Prefix::Name(name) if is_test(name)) => {
                let (start, end) = call.range()?;
                Some((start.bytes(), end.bytes()))
            }
            _ => None,
        })
        .collect()
}

fn is_test(name: &TokenReference) -> bool {
    name.token().to_string() == TEST
}

/// Whether `test` means something of the script's own at its top level.
fn has_own(tree: &Ast) -> bool {
    tree.nodes().stmts().any(|statement| match statement {
        Stmt::LocalAssignment(local) => local.names().iter().any(is_test),
        Stmt::ConstAssignment(local) => local.names().iter().any(is_test),
        Stmt::LocalFunction(function) => is_test(function.name()),
        Stmt::ConstFunction(function) => is_test(function.name()),
        Stmt::FunctionDeclaration(function) => function.name().names().iter().any(is_test),
        Stmt::Assignment(assignment) => assignment
            .variables()
            .iter()
            .any(|variable| matches!(variable, Var::Name(name) if is_test(name))),
        // Another value under the same name may do anything.
        Stmt::FunctionCall(call) => matches!(call.prefix(), Prefix::Expression(inner)
            if matches!(**inner, Expression::Var(Var::Name(ref name)) if is_test(name))),
        _ => false,
    })
}
