//! What each statement does to the names that are visible.

use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{Expression, GenericFor, If, Prefix, Stmt, Var};
use full_moon::tokenizer::TokenReference;

use super::{Walk, name_of};
use crate::lint::kinds::Kind;
use crate::lint::{flow, operators};

impl Walk<'_> {
    pub(super) fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::LocalAssignment(local) => self.locals(local.names(), local.expressions()),
            Stmt::ConstAssignment(local) => self.locals(local.names(), local.expressions()),
            Stmt::Assignment(assignment) => {
                self.expressions(assignment.expressions());
                for (variable, value) in assignment.variables().iter().zip(assignment.expressions().iter()) {
                    self.handler_assignment(variable, value);
                }
                assignment.variables().iter().for_each(|variable| self.target(variable));
            }
            Stmt::CompoundAssignment(compound) => {
                let right = self.expression(compound.rhs());
                let left = self.variable(compound.lhs());
                operators::compound(self, compound, left, right);
            }
            Stmt::FunctionCall(call) => {
                self.call(call);
            }
            Stmt::FunctionDeclaration(function) => self.function_declaration(function),
            Stmt::LocalFunction(function) => {
                self.declare(function.name(), Kind::Unknown, true);
                self.function(function.body(), &[]);
            }
            Stmt::ConstFunction(function) => {
                self.declare(function.name(), Kind::Unknown, true);
                self.function(function.body(), &[]);
            }
            Stmt::Do(inner) => self.block(inner.block()),
            Stmt::If(branches) => self.branches(branches),
            Stmt::While(turn) => {
                self.expression(turn.condition());
                self.block(turn.block());
            }
            Stmt::Repeat(turn) => {
                // The condition sees the body's locals.
                self.open();
                self.block_inside(turn.block());
                self.expression(turn.until());
                self.close();
            }
            Stmt::NumericFor(turn) => {
                for bound in [Some(turn.start()), Some(turn.end()), turn.step()]
                    .into_iter()
                    .flatten()
                {
                    self.expression(bound);
                }
                self.open();
                self.declare(turn.index_variable(), Kind::Number, false);
                self.block_inside(turn.block());
                self.close();
            }
            Stmt::GenericFor(turn) => self.generic_for(turn),
            _ => {}
        }
    }

    fn locals(&mut self, names: &Punctuated<TokenReference>, values: &Punctuated<Expression>) {
        let kinds = self.expressions(values);
        for (place, name) in names.iter().enumerate() {
            let kind = kinds.get(place).copied().unwrap_or(Kind::Unknown);
            self.declare(name, kind, true);
        }
    }

    fn branches(&mut self, branches: &If) {
        self.expression(branches.condition());
        self.open();
        if let Some(binding) = branches.binding() {
            self.declare(binding.name(), Kind::Unknown, true);
        }
        self.block_inside(branches.block());
        self.close();
        for branch in branches.else_if().into_iter().flatten() {
            self.expression(branch.condition());
            self.open();
            if let Some(binding) = branch.binding() {
                self.declare(binding.name(), Kind::Unknown, true);
            }
            self.block_inside(branch.block());
            self.close();
        }
        branches.else_block().into_iter().for_each(|block| self.block(block));
    }

    fn generic_for(&mut self, turn: &GenericFor) {
        self.expressions(turn.expressions());
        let over = turn.expressions().iter().next();
        if over.is_some_and(has_no_order) && flow::ends_early(turn.block()) {
            let message = String::from("which entry comes first is not laid down: the result depends on it");
            let hint = Some(String::from("walk over a list, or sort the names first"));
            self.warn(turn.for_token(), "pairs_order", message, hint);
        }
        self.open();
        for name in turn.names().iter() {
            self.declare(name, Kind::Unknown, false);
        }
        self.block_inside(turn.block());
        self.close();
    }
}

/// `pairs(t)`, `next, t`.
fn has_no_order(over: &Expression) -> bool {
    match over {
        Expression::FunctionCall(call) => matches!(call.prefix(), Prefix::Name(name) if name_of(name) == "pairs"),
        Expression::Var(Var::Name(name)) => name_of(name) == "next",
        _ => false,
    }
}
