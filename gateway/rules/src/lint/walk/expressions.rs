//! What kind of value an expression gives, and what it reads on the way.

use full_moon::ast::luau::{ElseIfExpression, IfExpression};
use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{
    Call, Expression, Field, FunctionArgs, FunctionBody, FunctionCall, Index, Parameter, Prefix, Suffix,
    TableConstructor, Var, VarExpression,
};
use full_moon::tokenizer::TokenReference;

use super::{Walk, name_of};
use crate::lint::kinds::{Kind, Made};
use crate::lint::{calls, operators, surface};
use crate::suggest;

impl Walk<'_> {
    pub(super) fn function(&mut self, body: &FunctionBody, kinds: &[Kind]) {
        self.open();
        for (place, parameter) in body.parameters().iter().enumerate() {
            if let Parameter::Name(name) = parameter {
                let kind = kinds.get(place).copied().unwrap_or(Kind::Unknown);
                self.declare(name, kind, false);
            }
        }
        self.block_inside(body.block());
        self.close();
    }

    pub(in crate::lint) fn expressions(&mut self, expressions: &Punctuated<Expression>) -> Vec<Kind> {
        expressions
            .iter()
            .map(|expression| self.expression(expression))
            .collect()
    }

    pub(in crate::lint) fn expression(&mut self, expression: &Expression) -> Kind {
        match expression {
            Expression::BinaryOperator { lhs, binop, rhs } => {
                let (left, right) = (self.expression(lhs), self.expression(rhs));
                operators::binary(self, expression, binop, left, right)
            }
            Expression::Parentheses { expression, .. } => self.expression(expression),
            Expression::UnaryOperator { expression, .. } => {
                self.expression(expression);
                Kind::Unknown
            }
            Expression::Function(function) => {
                self.function(function.body(), &[]);
                Kind::Unknown
            }
            Expression::FunctionCall(call) => self.call(call),
            Expression::IfExpression(choice) => self.choice(choice),
            Expression::InterpolatedString(text) => {
                for part in text.expressions() {
                    self.expression(part);
                }
                Kind::Text
            }
            Expression::TableConstructor(table) => {
                self.table(table);
                Kind::Unknown
            }
            Expression::Number(_) => Kind::Number,
            Expression::String(_) => Kind::Text,
            Expression::TypeAssertion { expression, .. } => self.expression(expression),
            Expression::Var(variable) => self.variable(variable),
            _ => Kind::Unknown,
        }
    }

    fn choice(&mut self, choice: &IfExpression) -> Kind {
        self.expression(choice.condition());
        self.expression(choice.if_expression());
        let others: &[ElseIfExpression] = choice.else_if_expressions().map_or(&[], Vec::as_slice);
        for other in others {
            self.expression(other.condition());
            self.expression(other.expression());
        }
        self.expression(choice.else_expression());
        Kind::Unknown
    }

    pub(in crate::lint) fn table(&mut self, table: &TableConstructor) {
        for field in table.fields() {
            match field {
                Field::ExpressionKey { key, value, .. } => {
                    self.expression(key);
                    self.expression(value);
                }
                Field::NameKey { key, value, .. } => self.table_entry(key, value),
                Field::NoKey(value) => {
                    self.expression(value);
                }
                _ => {}
            }
        }
    }

    pub(super) fn target(&mut self, variable: &Var) {
        match variable {
            Var::Name(name) => {
                let text = name_of(name);
                if self.local(&text).is_none() && !self.scopes.is_empty() {
                    let message = format!("'{text}' is a global, and lost after the call like a local");
                    self.warn(name, "global_write", message, Some(format!("write 'local {text}'")));
                }
            }
            Var::Expression(expression) => {
                self.suffixes(expression);
            }
            _ => {}
        }
    }

    pub(super) fn variable(&mut self, variable: &Var) -> Kind {
        match variable {
            Var::Name(name) => self.read(name),
            Var::Expression(expression) => self.suffixes(expression),
            _ => Kind::Unknown,
        }
    }

    pub(super) fn suffixes(&mut self, expression: &VarExpression) -> Kind {
        let suffixes: Vec<_> = expression.suffixes().collect();
        self.chain(expression.prefix(), &suffixes)
    }

    pub(in crate::lint) fn call(&mut self, call: &FunctionCall) -> Kind {
        let suffixes: Vec<_> = call.suffixes().collect();
        self.chain(call.prefix(), &suffixes)
    }

    /// `a.b["c"](d):e(f)`, from the left to the right.
    fn chain(&mut self, prefix: &Prefix, suffixes: &[&Suffix]) -> Kind {
        let mut kind = match prefix {
            Prefix::Name(name) => self.read(name),
            Prefix::Expression(expression) => self.expression(expression),
            _ => Kind::Unknown,
        };
        for suffix in suffixes {
            kind = match suffix {
                Suffix::Index(Index::Dot { name, .. }) => self.field(kind, name),
                Suffix::Index(Index::Brackets { expression, .. }) => {
                    self.expression(expression);
                    Kind::Unknown
                }
                Suffix::Call(Call::AnonymousCall(args)) => {
                    calls::check(self, kind, args);
                    self.arguments(args);
                    kind.called()
                }
                Suffix::Call(Call::MethodCall(method)) => {
                    let called = self.field(kind, method.name());
                    calls::check(self, called, method.args());
                    self.arguments(method.args());
                    called.called()
                }
                _ => Kind::Unknown,
            };
        }
        kind
    }

    fn arguments(&mut self, args: &FunctionArgs) {
        match args {
            FunctionArgs::Parentheses { arguments, .. } => {
                self.expressions(arguments);
            }
            FunctionArgs::TableConstructor(table) => self.table(table),
            _ => {}
        }
    }

    fn field(&mut self, kind: Kind, name: &TokenReference) -> Kind {
        let text = name_of(name);
        let member = kind.member(&text);
        if member == Kind::Makes(Made::MathRandom) {
            let message = format!("math.{text} is not repeatable");
            let hint = Some(String::from("use ctx.random(n), which gives a number from 1 to n"));
            self.error(name, "unknown_field", message, hint);
        } else if let Some((view, fields)) = kind.fields()
            && !fields.contains(&text.as_str())
        {
            let hint = suggest::nearest(&text, fields.iter().copied()).map(|near| format!("did you mean '{near}'?"));
            self.error(name, "unknown_field", format!("{view} has no field '{text}'"), hint);
        }
        member
    }

    pub(super) fn read(&mut self, name: &TokenReference) -> Kind {
        let text = name_of(name);
        if let Some(local) = self.local(&text) {
            local.used = true;
            return local.kind;
        }
        if self.globals.contains(&text) {
            return Kind::Unknown;
        }
        if surface::GLOBALS.contains(&text.as_str()) {
            return Kind::global(&text);
        }
        let hint = match surface::ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == text) {
            Some((_, cure)) => Some(String::from(*cure)),
            None => {
                let locals = self.scopes.iter().flatten().map(|local| local.name.as_str());
                let names = surface::GLOBALS.iter().copied().chain(locals);
                suggest::nearest(&text, names).map(|near| format!("did you mean '{near}'?"))
            }
        };
        self.error(name, "unknown_global", format!("'{text}' does not exist"), hint);
        Kind::Unknown
    }
}
