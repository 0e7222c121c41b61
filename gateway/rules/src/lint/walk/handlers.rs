//! Which functions of a script are its handlers, and what they are asked with.

use full_moon::ast::{
    Expression, Field, FunctionBody, FunctionDeclaration, Index, Prefix, Suffix, TableConstructor, Var,
};
use full_moon::tokenizer::TokenReference;

use super::{Walk, name_of};
use crate::input::Handler;
use crate::lint::flow;
use crate::lint::kinds::Kind;
use crate::suggest;

impl Walk<'_> {
    pub(super) fn function_declaration(&mut self, function: &FunctionDeclaration) {
        let names: Vec<_> = function.name().names().iter().collect();
        let handler = match names.as_slice() {
            [table, name] if function.name().method_name().is_none() => {
                self.read(table);
                if self.rules.as_deref() == Some(name_of(table).as_str()) {
                    self.handler_name(name)
                } else {
                    None
                }
            }
            [table, ..] if names.len() > 1 || function.name().method_name().is_some() => {
                self.read(table);
                None
            }
            _ => None,
        };
        match handler {
            Some(handler) => self.handler(function.body(), handler, names.last().copied()),
            None => self.function(function.body(), &[]),
        }
    }

    /// `rules.check = function … end`: the function itself was walked over as a value.
    pub(super) fn handler_assignment(&mut self, variable: &Var, value: &Expression) {
        let Var::Expression(variable) = variable else { return };
        let suffixes: Vec<_> = variable.suffixes().collect();
        if let (Prefix::Name(table), [Suffix::Index(Index::Dot { name, .. })], Expression::Function(_)) =
            (variable.prefix(), suffixes.as_slice(), value)
            && self.rules.as_deref() == Some(name_of(table).as_str())
        {
            self.handler_name(name);
        }
    }

    pub(super) fn handler_names(&mut self, table: &TableConstructor) {
        for field in table.fields() {
            if let Field::NameKey { key, value, .. } = field
                && matches!(**value, Expression::Function(_))
            {
                self.handler_name(key);
            }
        }
    }

    /// Tells of functions among the handlers that nobody asks.
    fn handler_name(&mut self, name: &TokenReference) -> Option<Handler> {
        let text = name_of(name);
        if let Some(handler) = Handler::ALL.into_iter().find(|handler| handler.as_str() == text) {
            return Some(handler);
        }
        let message = format!("rules.{text} is no handler; nobody asks it");
        match suggest::nearest(&text, Handler::ALL.map(Handler::as_str)) {
            Some(nearest) => self.error(
                name,
                "unknown_handler",
                message,
                Some(format!("did you mean '{nearest}'?")),
            ),
            None => {
                let names = Handler::ALL.map(Handler::as_str).join(", ");
                let hint = Some(format!("handlers are {names}; let a helper be a local function"));
                self.warn(name, "unknown_handler", message, hint);
            }
        }
        None
    }

    fn handler(&mut self, body: &FunctionBody, handler: Handler, name: Option<&TokenReference>) {
        let asked = match handler {
            Handler::Check => Kind::Request,
            Handler::Route | Handler::Fee => Kind::Payment,
            Handler::Event => Kind::Event,
        };
        if let Some(name) = name
            && !flow::block_leaves(body.block())
        {
            let handler = handler.as_str();
            let message = format!("rules.{handler} can come to its end without an answer, which is a failure");
            let hint = Some(String::from("end it with a return of what shall happen otherwise"));
            self.warn(name, "no_answer", message, hint);
        }
        self.function(body, &[asked, Kind::Ctx]);
    }

    /// A function under a handler's name in a table is most likely that handler.
    pub(super) fn table_entry(&mut self, key: &TokenReference, value: &Expression) {
        let name = name_of(key);
        let handler = Handler::ALL.into_iter().find(|handler| handler.as_str() == name);
        match (value, handler) {
            (Expression::Function(function), Some(handler)) if self.scopes.len() == 1 => {
                self.handler(function.body(), handler, Some(key));
            }
            _ => {
                self.expression(value);
            }
        }
    }
}
