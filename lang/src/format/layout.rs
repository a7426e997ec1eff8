//! From the tree to lines.
//!
//! The author's line breaks stay. A list that the author wrote in one line stays in one when it fits; else it is broken as
//! its form says (`rules.rs`): bodies and fields have a line each, arguments stand below the first one, data
//! fill lines. In a list that has several lines already, a line is only broken where it would run over [`WIDTH`].

use super::{
    WIDTH,
    rules::{self, Argument, Rule},
    tree::{Item, Kind, head},
};

/// What a list is to the one around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// An expression.
    Code,
    /// Below a quote: data, unless it begins with a form's name.
    Quoted,
    /// Names.
    Names,
    /// A procedure's name and its arguments.
    Formals,
    /// A list of clauses.
    Clauses,
    /// A clause or field: what it begins with is no form.
    Clause,
    /// The packages in a field such as `inputs`.
    Inputs,
    /// A row of a table: it stays in the line that the author gave it.
    Row,
}

/// Returns the text of a file's items.
pub(super) fn print(items: &[Item<'_>]) -> String {
    let mut printer = Printer { out: String::new(), column: 0 };
    for (at, item) in items.iter().enumerate() {
        let in_line = item.newlines == 0 && matches!(item.kind, Kind::Comment(_)) && at > 0;
        let before = at.checked_sub(1).and_then(|before| items.get(before));
        if in_line {
            printer.margin(item);
        } else if let Some(before) = before {
            let page = matches!(item.kind, Kind::Page) || matches!(before.kind, Kind::Page);
            printer.newline(item.newlines.clamp(1, if page { 2 } else { 3 }), 0);
        }
        printer.item(item, Context::Code, 0);
    }
    if !items.is_empty() {
        printer.out.push('\n');
    }
    printer.out
}

struct Printer {
    out: String,
    column: usize,
}

/// A list while it is printed.
struct List<'a, 's> {
    items: &'a [Item<'s>],
    rule: Rule,
    context: Context,
    /// The column of the parenthesis, and the one after it.
    open: usize,
    inside: usize,
    /// The column of the first argument when it stands in the line of the name.
    align: Option<usize>,
    /// Which elements begin a line whatever their width.
    breaks: Breaks,
    /// How many parentheses follow, its own one included.
    closers: usize,
}

/// Which elements begin a line whatever their width; elements are counted from 0 without comments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    /// Those that the author chose.
    Kept,
    /// Those from that one on, values of keywords excepted.
    From(usize),
    /// Those from that one on that are lists.
    ListsFrom(usize),
    /// Keywords.
    Keywords,
}

impl Printer {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        match text.rsplit_once('\n') {
            Some((_, last)) => self.column = last.chars().count(),
            None => self.column += text.chars().count(),
        }
    }

    fn newline(&mut self, count: usize, column: usize) {
        self.out.extend(std::iter::repeat_n('\n', count));
        self.out.extend(std::iter::repeat_n(' ', column));
        self.column = column;
    }

    /// Makes room before a comment at the end of a line: its column stays if it was set off.
    fn margin(&mut self, item: &Item<'_>) {
        let wanted = if item.gap > 1 { item.column } else { 0 };
        let spaces = wanted.saturating_sub(self.column).max(1);
        self.text(&" ".repeat(spaces));
    }

    fn item(&mut self, item: &Item<'_>, context: Context, closers: usize) {
        match &item.kind {
            Kind::Atom(text) | Kind::Comment(text) | Kind::Block(text) => self.text(text),
            Kind::Page => self.text("\x0c"),
            Kind::Prefixed(prefix, inner) => {
                self.text(prefix);
                let context = match *prefix {
                    "'" | "`" => Context::Quoted,
                    "#;" => context,
                    _ => Context::Code,
                };
                self.item(inner, context, closers);
            }
            Kind::List(opener, closer, items) => {
                let row = context == Context::Row && items.iter().all(|item| item.items().is_none());
                if item.flat.is_some_and(|flat| row || self.column + flat + closers <= WIDTH) {
                    self.flat(item);
                } else {
                    self.list((opener, closer), items, item.flat.is_some(), context, closers);
                }
            }
        }
    }

    /// Prints an item in one line.
    fn flat(&mut self, item: &Item<'_>) {
        match &item.kind {
            Kind::List(opener, closer, items) => {
                self.text(opener);
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.text(" ");
                    }
                    self.flat(item);
                }
                self.text(closer);
            }
            Kind::Prefixed(prefix, inner) => {
                self.text(prefix);
                self.flat(inner);
            }
            _ => self.item(item, Context::Code, 0),
        }
    }

    fn list(
        &mut self,
        (opener, closer): (&str, &str),
        items: &[Item<'_>],
        pure: bool,
        context: Context,
        closers: usize,
    ) {
        let open = self.column;
        self.text(opener);
        let name = head(items).filter(|_| opener.len() == 1);
        let rule = match (name, context) {
            (None, _) | (_, Context::Names | Context::Clauses) => Rule::Data,
            (Some(_), Context::Clause | Context::Formals) => Rule::Call,
            (Some(name), Context::Quoted | Context::Row) => match rules::rule(name) {
                Rule::Call => Rule::Data,
                special => special,
            },
            (Some(name), _) => rules::rule(name),
        };
        let rule = match rule {
            Rule::Let => {
                Rule::Body(1 + usize::from(data(items).nth(1).is_some_and(|item| item.items().is_none())))
            }
            other => other,
        };
        let mut list = List {
            items,
            rule,
            context,
            open,
            inside: self.column,
            align: None,
            breaks: Breaks::Kept,
            closers: closers + 1,
        };
        list.breaks = list.choose(name, pure);
        self.elements(&mut list, name);
        if items.last().is_some_and(|item| matches!(item.kind, Kind::Comment(_))) {
            let column = list.indentation(data(items).count());
            self.newline(1, column);
        }
        self.text(closer);
    }

    fn elements(&mut self, list: &mut List<'_, '_>, name: Option<&str>) {
        let mut count = 0;
        for (at, item) in list.items.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| list.items.get(before));
            let closers = if at + 1 == list.items.len() { list.closers } else { 0 };
            let is_comment = matches!(item.kind, Kind::Comment(_));
            if let Some(before) = before {
                let comment_before = matches!(before.kind, Kind::Comment(_));
                let column = list.indentation(count);
                if item.newlines > 0 || comment_before || list.begins_line(at, count, name) {
                    self.newline(item.newlines.clamp(1, 2), column);
                } else if is_comment {
                    self.margin(item);
                    if count == 1 && list.rule == Rule::Call && item.gap == 1 && opens_list(item) {
                        list.align = Some(self.column);
                    }
                } else if self.runs_over(list, at, column, closers) {
                    self.newline(1, column);
                } else {
                    self.text(" ");
                    if count == 1 && list.rule == Rule::Call && !item.is_comment() {
                        list.align = Some(self.column);
                    }
                }
            } else if is_comment {
                self.text(" ");
            }
            self.item(item, list.context_of(at, count, name), closers);
            count += usize::from(!item.is_comment());
        }
    }

    /// Whether an element does not fit into the line and would into the next one.
    fn runs_over(&self, list: &List<'_, '_>, at: usize, column: usize, closers: usize) -> bool {
        let Some(item) = list.items.get(at) else { return false };
        // The first argument stays with the name where it can be broken itself.
        let count = data(list.items.get(..at).unwrap_or(&[])).count();
        if count == 1 && (matches!(list.rule, Rule::Body(_)) || item.items().is_some()) {
            return false;
        }
        let value = list.items.get(at + 1).filter(|value| item.is_keyword() && value.newlines == 0);
        let (width, closers) = match value {
            Some(value) => {
                let last = at + 2 == list.items.len();
                (item.first_line + 1 + value.first_line, if last { list.closers } else { 0 })
            }
            None => (item.first_line, closers),
        };
        // Parentheses follow in the first line only if the item ends there.
        let ends = value.map_or(item.flat, |value| value.flat).is_some();
        let width = width + if ends { closers } else { 0 };
        column < self.column + 1 && self.column + 1 + width > WIDTH && column + width <= WIDTH
    }
}

impl<'s> List<'_, 's> {
    /// The column of an element that begins a line.
    fn indentation(&self, count: usize) -> usize {
        match self.rule {
            Rule::Data | Rule::Let => self.inside,
            Rule::Call => self.align.unwrap_or(self.inside),
            Rule::Body(_) if count == 0 => self.inside,
            Rule::Body(distinguished) => self.open + if count <= distinguished { 4 } else { 2 },
        }
    }

    /// Chooses which elements begin a line.
    fn choose(&self, name: Option<&str>, pure: bool) -> Breaks {
        if self.context != Context::Clause {
            match name {
                Some("package/inherit") => return Breaks::ListsFrom(2),
                Some(name) if rules::is_record(name) => return Breaks::ListsFrom(1),
                Some("define-module") => return Breaks::Keywords,
                Some("list") if self.context == Context::Inputs => return Breaks::From(2),
                _ => {}
            }
        }
        if !pure {
            return Breaks::Kept;
        }
        let lists = data(self.items).any(|item| item.items().is_some() || item.is_keyword());
        match self.rule {
            Rule::Body(distinguished) => Breaks::From(distinguished + 1),
            Rule::Data | Rule::Let if lists => Breaks::From(1),
            Rule::Data | Rule::Let => Breaks::Kept,
            Rule::Call if self.context == Context::Formals || name.is_some_and(rules::fills) => Breaks::Kept,
            Rule::Call => {
                let first = self.inside + self.items.first().map_or(0, |name| name.first_line) + 1;
                let argument = data(self.items).nth(1);
                let has_body = matches!(argument.and_then(Item::head).map(rules::rule), Some(Rule::Body(_)));
                // Little is won below a short name.
                let wins = first > self.inside + 6 || argument.is_some_and(|item| item.items().is_none());
                let hangs = !self.fits(first)
                    && (self.context == Context::Clause || !has_body && wins && self.fits(self.inside));
                Breaks::From(if hangs { 1 } else { 2 })
            }
        }
    }

    /// Whether all arguments fit into a line each, beginning in a column.
    fn fits(&self, column: usize) -> bool {
        let mut items = self.items.iter().skip(1).peekable();
        while let Some(item) = items.next() {
            let mut width = item.flat.unwrap_or(WIDTH);
            if item.is_keyword()
                && let Some(value) = items.next()
            {
                width += 1 + value.flat.unwrap_or(WIDTH);
            }
            let closers = if items.peek().is_none() { self.closers } else { 0 };
            if column + width + closers > WIDTH {
                return false;
            }
        }
        true
    }

    /// Whether an element begins a line whatever its width.
    fn begins_line(&self, at: usize, count: usize, name: Option<&str>) -> bool {
        let Some(item) = self.items.get(at).filter(|item| !item.is_comment()) else { return false };
        let after_keyword = at.checked_sub(1).and_then(|before| self.items.get(before));
        let is_value = after_keyword.is_some_and(Item::is_keyword) && !item.is_keyword();
        let defines_record = count == 2
            && name.is_some_and(|name| name.starts_with("define"))
            && item.head().is_some_and(rules::is_record)
            && item.flat.is_none();
        defines_record
            || match self.breaks {
                Breaks::Kept => false,
                Breaks::From(first) => count >= first && !is_value,
                Breaks::ListsFrom(first) => count >= first && item.items().is_some(),
                Breaks::Keywords => item.is_keyword(),
            }
    }

    /// What an element is to this list.
    fn context_of(&self, at: usize, count: usize, name: Option<&str>) -> Context {
        let before = at.checked_sub(1).and_then(|before| self.items.get(before)).and_then(Item::atom);
        if before.is_some_and(rules::takes_names) {
            return Context::Names;
        }
        match (self.context, name) {
            (Context::Clauses, _) => Context::Clause,
            (Context::Quoted | Context::Row, None) => Context::Row,
            (Context::Clause, Some(name)) if rules::is_inputs(name) && count == 1 => Context::Inputs,
            (Context::Clause | Context::Names | Context::Formals, _) | (_, None) => Context::Code,
            (_, Some(name)) if count == 1 && name.starts_with("define") => Context::Formals,
            (_, Some(name)) => {
                let distinguished = match self.rule {
                    Rule::Body(distinguished) => distinguished,
                    _ => 0,
                };
                match rules::first_argument(name) {
                    Argument::Names if count == 1 => Context::Names,
                    Argument::Bindings if count == distinguished.max(1) || count == 1 => Context::Clauses,
                    _ if count > distinguished && rules::has_clauses(name) => Context::Clause,
                    _ => Context::Code,
                }
            }
        }
    }
}

/// Whether a comment after a form's name speaks of what is below it.
fn opens_list(item: &Item<'_>) -> bool {
    matches!(item.kind, Kind::Comment(text) if text.starts_with(";;"))
}

/// The elements that are no comments.
fn data<'a, 's>(items: &'a [Item<'s>]) -> impl Iterator<Item = &'a Item<'s>> {
    items.iter().filter(|item| !item.is_comment())
}
