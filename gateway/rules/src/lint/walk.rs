//! The walk over a script's syntax tree, with the names that are visible at each place.

use std::collections::BTreeSet;

use full_moon::ast::luau::{ConstAssignment, ElseIfExpression, IfExpression};
use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{
    Block, Call, Expression, Field, FunctionArgs, FunctionBody, FunctionCall, FunctionDeclaration, GenericFor, If,
    Index, LastStmt, LocalAssignment, Parameter, Prefix, Stmt, Suffix, TableConstructor, Var, VarExpression,
};
use full_moon::node::Node;
use full_moon::tokenizer::{Position, TokenReference, TokenType};

use super::kinds::{Kind, Made};
use super::{Finding, Known, Place, Severity, calls, flow, operators, surface};
use crate::input::Handler;
use crate::program;
use crate::suggest;

pub(super) fn findings(text: &str, known: &Known) -> Vec<Finding> {
    let tree = match full_moon::parse_fallible(text, full_moon::LuaVersion::luau()).into_result() {
        Ok(tree) => tree,
        Err(errors) => {
            let line = errors.first().map_or(1, |error| line_of(error.range().0));
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

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::LocalAssignment(local) => self.local_assignment(local),
            Stmt::ConstAssignment(local) => self.const_assignment(local),
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

    fn local_assignment(&mut self, local: &LocalAssignment) {
        let kinds = self.expressions(local.expressions());
        for (place, name) in local.names().iter().enumerate() {
            let kind = kinds.get(place).copied().unwrap_or(Kind::Unknown);
            self.declare(name, kind, true);
        }
    }

    fn const_assignment(&mut self, local: &ConstAssignment) {
        let kinds = self.expressions(local.expressions());
        for (place, name) in local.names().iter().enumerate() {
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

    fn function_declaration(&mut self, function: &FunctionDeclaration) {
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
    fn handler_assignment(&mut self, variable: &Var, value: &Expression) {
        let Var::Expression(variable) = variable else { return };
        let suffixes: Vec<_> = variable.suffixes().collect();
        if let (Prefix::Name(table), [Suffix::Index(Index::Dot { name, .. })], Expression::Function(_)) =
            (variable.prefix(), suffixes.as_slice(), value)
            && self.rules.as_deref() == Some(name_of(table).as_str())
        {
            self.handler_name(name);
        }
    }

    fn handler_names(&mut self, table: &TableConstructor) {
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

    fn function(&mut self, body: &FunctionBody, kinds: &[Kind]) {
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

    pub(super) fn expressions(&mut self, expressions: &Punctuated<Expression>) -> Vec<Kind> {
        expressions
            .iter()
            .map(|expression| self.expression(expression))
            .collect()
    }

    pub(super) fn expression(&mut self, expression: &Expression) -> Kind {
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

    pub(super) fn table(&mut self, table: &TableConstructor) {
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

    /// A function under a handler's name in a table is most likely that handler.
    fn table_entry(&mut self, key: &TokenReference, value: &Expression) {
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

    fn target(&mut self, variable: &Var) {
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

    fn variable(&mut self, variable: &Var) -> Kind {
        match variable {
            Var::Name(name) => self.read(name),
            Var::Expression(expression) => self.suffixes(expression),
            _ => Kind::Unknown,
        }
    }

    fn suffixes(&mut self, expression: &VarExpression) -> Kind {
        let suffixes: Vec<_> = expression.suffixes().collect();
        self.chain(expression.prefix(), &suffixes)
    }

    pub(super) fn call(&mut self, call: &FunctionCall) -> Kind {
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

    fn read(&mut self, name: &TokenReference) -> Kind {
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

/// `pairs(t)`, `next, t`.
fn has_no_order(over: &Expression) -> bool {
    match over {
        Expression::FunctionCall(call) => matches!(call.prefix(), Prefix::Name(name) if name_of(name) == "pairs"),
        Expression::Var(Var::Name(name)) => name_of(name) == "next",
        _ => false,
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
