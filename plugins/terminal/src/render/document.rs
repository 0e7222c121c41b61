//! The XML of an answer (`protocols/terminal.md` §5): a line per element, LF between them, none at the end.

use plugin_sdk::Field;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>\n";
const FOOT: &str = "</response>";

pub struct Document {
    xml: String,
}

impl Document {
    pub fn new() -> Self {
        Self { xml: HEAD.to_owned() }
    }

    /// Appends `<name>text</name>`.
    pub fn tag(&mut self, name: &str, text: &str) {
        self.xml.push('<');
        self.xml.push_str(name);
        self.xml.push('>');
        self.text(text);
        self.close(name);
    }

    /// Appends the section of fields, numbered from 1 without gaps (§5.1), if there is one.
    pub fn fields(&mut self, fields: &[Field]) {
        if fields.is_empty() {
            return;
        }
        self.xml.push_str("<fields>\n");
        for (index, field) in fields.iter().enumerate() {
            self.field(&format!("field{}", index + 1), field);
        }
        self.close("fields");
    }

    pub fn finish(mut self) -> String {
        self.xml.push_str(FOOT);
        self.xml
    }

    /// Without a name the attribute is left out, and QIWI numbers the field itself (§5.1).
    fn field(&mut self, tag: &str, field: &Field) {
        self.xml.push('<');
        self.xml.push_str(tag);
        if !field.name.is_empty() {
            self.xml.push_str(" name=\"");
            self.attribute(&field.name);
            self.xml.push('"');
        }
        self.xml.push('>');
        self.text(&field.value);
        self.close(tag);
    }

    fn close(&mut self, name: &str) {
        self.xml.push_str("</");
        self.xml.push_str(name);
        self.xml.push_str(">\n");
    }

    fn text(&mut self, text: &str) {
        for character in text.chars().filter(|character| is_allowed(*character)) {
            match character {
                '&' => self.xml.push_str("&amp;"),
                '<' => self.xml.push_str("&lt;"),
                '>' => self.xml.push_str("&gt;"),
                // A reader would turn it into a line feed.
                '\r' => self.xml.push_str("&#13;"),
                other => self.xml.push(other),
            }
        }
    }

    fn attribute(&mut self, text: &str) {
        for character in text.chars().filter(|character| is_allowed(*character)) {
            match character {
                '&' => self.xml.push_str("&amp;"),
                '<' => self.xml.push_str("&lt;"),
                '>' => self.xml.push_str("&gt;"),
                '"' => self.xml.push_str("&quot;"),
                // A reader would turn these into spaces.
                '\t' => self.xml.push_str("&#9;"),
                '\n' => self.xml.push_str("&#10;"),
                '\r' => self.xml.push_str("&#13;"),
                other => self.xml.push(other),
            }
        }
    }
}

/// Whether XML 1.0 has the character at all: not even an escape may stand for the others.
pub fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
