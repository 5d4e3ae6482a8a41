//! A page as elements, by the tokenizer that Servo reads HTML with. What it is read into is a tree only if every element
//! is closed where it was opened, which is asserted too: then a browser builds the same one.

#![allow(dead_code, reason = "each of those who use it uses a part")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// An element, in the order of the page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The names of what it is in, the outermost first.
    pub(crate) within: Vec<String>,
    /// Its own text, without that of others within it.
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// What a page holds.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) elements: Vec<Element>,
    /// What is no markup as it should be: a comment, an end without a beginning, what the tokenizer complains of.
    pub(crate) wrong: Vec<String>,
}

impl Page {
    pub(crate) fn read(html: &str) -> Self {
        let tokenizer = Tokenizer::new(Builder::default(), TokenizerOpts::default());
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(html));
        let _ = tokenizer.feed(&input);
        tokenizer.end();
        let Builder { page, open } = tokenizer.sink;
        let mut page = page.into_inner();
        page.wrong.extend(open.into_inner().iter().map(|at| format!("element {at} is not closed")));
        page
    }

    /// The elements of a name.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements.iter().filter(move |it| it.name == name)
    }
}

#[derive(Default)]
struct Builder {
    page: RefCell<Page>,
    /// The elements that are open, by their place in the page.
    open: RefCell<Vec<usize>>,
}

impl Builder {
    fn begin(&self, tag: &Tag) -> TokenSinkResult<()> {
        let mut page = self.page.borrow_mut();
        let mut open = self.open.borrow_mut();
        let name = tag.name.to_string();
        let attributes =
            tag.attrs.iter().map(|it| (it.name.local.to_string(), it.value.to_string())).collect();
        let within =
            open.iter().filter_map(|at| Some(page.elements.get(*at)?.name.clone())).collect();
        if !VOID.contains(&name.as_str()) {
            open.push(page.elements.len());
        }
        let kind = match name.as_str() {
            "style" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" => TokenSinkResult::RawData(RawKind::Rcdata),
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            _ => TokenSinkResult::Continue,
        };
        page.elements.push(Element { name, attributes, within, text: String::new() });
        kind
    }

    fn end(&self, tag: &Tag) {
        let mut page = self.page.borrow_mut();
        let last = self.open.borrow_mut().pop();
        let name = last.and_then(|at| page.elements.get(at)).map(|it| it.name.clone());
        if name.as_deref() != Some(&*tag.name) {
            page.wrong.push(format!("</{}> ends {name:?}", tag.name));
        }
    }
}

impl TokenSink for Builder {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return self.begin(&tag),
            Token::TagToken(tag) => self.end(&tag),
            Token::CharacterTokens(text) => {
                let mut page = self.page.borrow_mut();
                if let Some(at) = self.open.borrow().last()
                    && let Some(element) = page.elements.get_mut(*at)
                {
                    element.text.push_str(&text);
                }
            }
            Token::CommentToken(text) => {
                self.page.borrow_mut().wrong.push(format!("the comment {text}"));
            }
            Token::ParseError(why) => self.page.borrow_mut().wrong.push(why.to_string()),
            Token::NullCharacterToken => self.page.borrow_mut().wrong.push("NUL".to_owned()),
            Token::DoctypeToken(_) | Token::EOFToken => {}
        }
        TokenSinkResult::Continue
    }
}
