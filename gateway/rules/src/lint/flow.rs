//! Whether a block comes to its end.

use full_moon::ast::{Block, Expression, FunctionCall, If, LastStmt, Prefix, Stmt};

use super::walk::name_of;

/// Whether nothing behind this statement is ever reached.
pub(super) fn leaves(statement: &Stmt) -> bool {
    match statement {
        Stmt::Do(inner) => block_leaves(inner.block()),
        Stmt::If(branches) => all_branches_leave(branches),
        Stmt::FunctionCall(call) => is_error(call),
        Stmt::While(turn) => is_true(turn.condition()) && !breaks(turn.block()),
        _ => false,
    }
}

/// Whether a block never comes to its end: it returns, raises, or turns for ever.
pub(super) fn block_leaves(block: &Block) -> bool {
    block.last_stmt().is_some() || block.stmts().any(leaves)
}

fn all_branches_leave(branches: &If) -> bool {
    branches.else_block().is_some_and(block_leaves)
        && block_leaves(branches.block())
        && (branches.else_if().into_iter().flatten()).all(|branch| block_leaves(branch.block()))
}

fn is_error(call: &FunctionCall) -> bool {
    matches!(call.prefix(), Prefix::Name(name) if name_of(name) == "error") && call.suffixes().count() == 1
}

fn is_true(condition: &Expression) -> bool {
    matches!(condition, Expression::Symbol(token) if token.token().to_string() == "true")
}

/// Whether a loop's body can break out of it.
pub(super) fn breaks(block: &Block) -> bool {
    let inner = block.stmts().any(|statement| match statement {
        Stmt::Do(inner) => breaks(inner.block()),
        Stmt::If(branches) => {
            breaks(branches.block())
                || branches.else_block().is_some_and(breaks)
                || (branches.else_if().into_iter().flatten()).any(|branch| breaks(branch.block()))
        }
        _ => false,
    });
    inner || matches!(block.last_stmt(), Some(LastStmt::Break(_)))
}

/// Whether a loop's body can end the loop early: by a break, or by a return.
pub(super) fn ends_early(block: &Block) -> bool {
    let inner = block.stmts().any(|statement| match statement {
        Stmt::Do(inner) => ends_early(inner.block()),
        Stmt::If(branches) => {
            ends_early(branches.block())
                || branches.else_block().is_some_and(ends_early)
                || (branches.else_if().into_iter().flatten()).any(|branch| ends_early(branch.block()))
        }
        Stmt::NumericFor(turn) => returns(turn.block()),
        Stmt::GenericFor(turn) => returns(turn.block()),
        Stmt::While(turn) => returns(turn.block()),
        Stmt::Repeat(turn) => returns(turn.block()),
        _ => false,
    });
    inner || matches!(block.last_stmt(), Some(LastStmt::Break(_) | LastStmt::Return(_)))
}

fn returns(block: &Block) -> bool {
    matches!(block.last_stmt(), Some(LastStmt::Return(_))) || (ends_early(block) && !breaks(block))
}
