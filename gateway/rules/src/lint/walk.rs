//! The walk over a script's syntax tree, with the names that are visible at each place.

mod expressions;
mod handlers;
mod statements;

use std::collections::BTreeSet;

use full_moon::LuaVersion;
use full_moon::ast::{Ast, Block, Expression, FunctionDeclaration, LastStmt, Var};
use full_moon::node::Node;
use full_moon::tokenizer::{Lexer, LexerResult, Position, TokenReference, TokenType};

use super::kinds::Kind;
use super::{Finding, Known, Place, Severity, flow};
use crate::program;

pub(super) fn findings(text: &str, known: &Known) -> Vec<Finding> {
    let tree = match tree_of(text) {
        Ok(tree) => tree,
        Err(line) => {
            let place = Place {
                line,
                end_line: line,
                ..Place::start()
            };
            let message = "the check does not know this syntax; the rest of the script is not checked";
            return vec![place.finding(Severity::Warning, "unchecked", message)];
        }
    };
    let mut walk = Walk::new(known);
    walk.collect(tree.nodes());
    walk.api_header(text);
    walk.script(tree.nodes());
    walk.findings
}

/// Otherwise the line that is not understood.
fn tree_of(text: &str) -> Result<Ast, u32> {
    let version = LuaVersion::luau();
    // The parser panics at some of what the lexer does not know, such as a form feed behind a type.
    match Lexer::new(text, version).collect() {
        LexerResult::Ok(_) => {}
        LexerResult::Recovered(_, errors) | LexerResult::Fatal(errors) => {
            return Err(errors.first().map_or(1, |error| line_of(error.range().0)));
        }
    }
    let parsed = full_moon::parse_fallible(text, version).into_result();
    parsed.map_err(|errors| errors.first().map_or(1, |error| line_of(error.range().0)))
}

pub(super) struct Walk<'a> {
    pub(super) known: &'a Known,
    findings: Vec<Finding>,
    scopes: Vec<Vec<Local>>,
    /// Globals that the script itself sets, anywhere.
    globals: BTreeSet<String>,
    /// Names that are assigned to after they were made: nothing is known of their values.
    assigned: BTreeSet<String>,
    /// The local that the script returns as its handlers.
    rules: Option<String>,
}

struct Local {
    name: String,
    kind: Kind,
    place: Place,
    used: bool,
    /// Whether the author should hear of it when it is not used.
    told: bool,
}

impl<'a> Walk<'a> {
    fn new(known: &'a Known) -> Self {
        Self {
            known,
            findings: Vec::new(),
            scopes: Vec::new(),
            globals: BTreeSet::new(),
            assigned: BTreeSet::new(),
            rules: None,
        }
    }

    pub(super) fn tell(&mut self, place: Place, severity: Severity, code: &str, message: String, hint: Option<String>) {
        self.findings
            .push(place.finding(severity, code, message).with_hint(hint));
    }

    pub(super) fn error(&mut self, at: &impl Node, code: &str, message: String, hint: Option<String>) {
        self.tell(place_of(at), Severity::Error, code, message, hint);
    }

    pub(super) fn warn(&mut self, at: &impl Node, code: &str, message: String, hint: Option<String>) {
        self.tell(place_of(at), Severity::Warning, code, message, hint);
    }

    fn api_header(&mut self, text: &str) {
        if !program::has_api_header(text) {
            let message = String::from("the script does not state the version that it was written for");
            let hint = Some(format!(
                "write '{} {}' as its first line",
                program::API_HEADER,
                program::API_VERSION
            ));
            self.tell(Place::start(), Severity::Warning, "no_api", message, hint);
        }
    }

    /// Finds the names that are assigned to, wherever that is.
    fn collect(&mut self, block: &Block) {
        use full_moon::visitors::Visitor;

        #[derive(Default)]
        struct Assigned(BTreeSet<String>);
        impl Visitor for Assigned {
            fn visit_assignment(&mut self, node: &full_moon::ast::Assignment) {
                self.0.extend(node.variables().iter().filter_map(plain_name));
            }

            fn visit_compound_assignment(&mut self, node: &full_moon::ast::CompoundAssignment) {
                self.0.extend(plain_name(node.lhs()));
            }

            fn visit_function_declaration(&mut self, node: &FunctionDeclaration) {
                if node.name().names().len() == 1 && node.name().method_name().is_none() {
                    self.0.extend(node.name().names().iter().map(name_of));
                }
            }
        }
        let mut assigned = Assigned::default();
        full_moon::visitors::Visit::visit(block, &mut assigned);
        self.globals = assigned.0.clone();
        self.assigned = assigned.0;
    }

    fn script(&mut self, block: &Block) {
        let returned = match block.last_stmt() {
            Some(LastStmt::Return(returned)) => returned.returns().iter().next(),
            _ => None,
        };
        match returned {
            Some(Expression::Var(Var::Name(name))) => self.rules = Some(name_of(name)),
            Some(_) => {}
            None => {
                let message = String::from("the script returns no handlers");
                let hint = Some(String::from("end it with 'return rules', its table of handlers"));
                self.tell(end_of(block), Severity::Error, "no_return", message, hint);
            }
        }
        self.open();
        self.block_inside(block);
        if let Some(Expression::TableConstructor(table)) = returned {
            self.handler_names(table);
        }
        self.close();
    }

    fn open(&mut self) {
        self.scopes.push(Vec::new());
    }

    fn close(&mut self) {
        for local in self.scopes.pop().into_iter().flatten() {
            if !local.used && local.told && !local.name.starts_with('_') {
                let message = format!("'{}' is never used", local.name);
                let hint = Some(String::from("remove it, or let its name begin with '_'"));
                self.tell(local.place, Severity::Warning, "unused", message, hint);
            }
        }
    }

    fn declare(&mut self, name: &TokenReference, kind: Kind, told: bool) {
        let text = name_of(name);
        let kind = if self.assigned.contains(&text) {
            Kind::Unknown
        } else {
            kind
        };
        let local = Local {
            name: text,
            kind,
            place: place_of(name),
            used: false,
            told,
        };
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(local);
        }
    }

    fn local(&mut self, name: &str) -> Option<&mut Local> {
        let scopes = self.scopes.iter_mut().rev();
        scopes
            .flat_map(|scope| scope.iter_mut().rev())
            .find(|local| local.name == name)
    }

    pub(super) fn block(&mut self, block: &Block) {
        self.open();
        self.block_inside(block);
        self.close();
    }

    fn block_inside(&mut self, block: &Block) {
        let mut left = false;
        for statement in block.stmts() {
            if left {
                self.warn(statement, "unreachable", String::from("this is never reached"), None);
                left = false;
            }
            self.statement(statement);
            left |= flow::leaves(statement);
        }
        if let Some(last) = block.last_stmt() {
            if left {
                self.warn(last, "unreachable", String::from("this is never reached"), None);
            }
            if let LastStmt::Return(returned) = last {
                self.expressions(returned.returns());
            }
        }
    }
}

fn plain_name(variable: &Var) -> Option<String> {
    match variable {
        Var::Name(name) => Some(name_of(name)),
        _ => None,
    }
}

pub(super) fn name_of(token: &TokenReference) -> String {
    match token.token().token_type() {
        TokenType::Identifier { identifier } => identifier.to_string(),
        _ => token.token().to_string(),
    }
}

pub(super) fn place_of(node: &impl Node) -> Place {
    match node.range() {
        Some((start, end)) => Place {
            line: line_of(start),
            column: small(start.character()),
            end_line: line_of(end),
            end_column: small(end.character()),
        },
        None => Place::start(),
    }
}

fn end_of(block: &Block) -> Place {
    let place = place_of(block);
    Place {
        line: place.end_line,
        column: place.end_column,
        ..place
    }
}

fn line_of(position: Position) -> u32 {
    small(position.line())
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
