//! `StringConcat` and `StringSplit` (ONNX 20), `StringNormalizer` (ONNX 10).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_core::broadcast::multi_broadcast;

use super::attributes::strings;
use super::kernel::{Built, Kernel, Signature, built};

/// Most parts that are given, those that are empty included: one long text makes many of them.
const MOST_PARTS: usize = 1 << 22;

fn texts(tensor: &Tensor) -> TractResult<&[String]> {
    tensor.try_as_plain_ram()?.as_slice::<String>()
}

fn all_texts(inputs: &[Signature]) -> TractResult<()> {
    ensure!(inputs.iter().all(|(kind, _)| *kind == String::datum_type()), "numbers where texts are taken");
    Ok(())
}

#[derive(Debug)]
struct StringConcat;

pub(super) fn build_concat(_: &ParsingContext, _: &NodeProto) -> Built {
    built(StringConcat)
}

impl Kernel for StringConcat {
    fn name(&self) -> &'static str {
        "StringConcat"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        all_texts(inputs)?;
        Ok(tvec![(String::datum_type(), multi_broadcast(&[&inputs[0].1, &inputs[1].1])?)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = multi_broadcast(&[inputs[0].shape(), inputs[1].shape()])?;
        let first = inputs[0].to_plain_array_view::<String>()?;
        let second = inputs[1].to_plain_array_view::<String>()?;
        let both = first.broadcast(&*shape).zip(second.broadcast(&*shape)).context("unlike shapes")?;
        let joined = both.0.iter().zip(both.1.iter()).map(|(a, b)| format!("{a}{b}"));
        Ok(tvec![crate::convert::tensor(&shape, joined.collect())?])
    }
}

/// Gives the parts [.., most], empty after the last one of each text, and how many there are of each.
#[derive(Debug)]
struct StringSplit {
    /// White space of any length where that is empty.
    delimiter: String,
    most_splits: usize,
    most: Symbol,
}

pub(super) fn build_split(context: &ParsingContext, node: &NodeProto) -> Built {
    let most_splits = node.get_attr_opt::<i64>("maxsplit")?;
    built(StringSplit {
        delimiter: node.get_attr_opt("delimiter")?.unwrap_or_default(),
        most_splits: most_splits.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX),
        most: context.template.symbols.new_with_prefix("parts"),
    })
}

impl StringSplit {
    fn parts<'t>(&self, text: &'t str) -> Vec<&'t str> {
        if !self.delimiter.is_empty() {
            return text.splitn(self.most_splits.saturating_add(1), &self.delimiter).collect();
        }
        let (mut parts, mut rest) = (vec![], text.trim());
        while !rest.is_empty() {
            let end = rest.find(char::is_whitespace).filter(|_| parts.len() < self.most_splits);
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            parts.push(part);
            rest = after.trim_start();
        }
        parts
    }
}

impl Kernel for StringSplit {
    fn name(&self) -> &'static str {
        "StringSplit"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        all_texts(inputs)?;
        let mut parts = inputs[0].1.clone();
        parts.push(self.most.clone().into());
        Ok(tvec![(String::datum_type(), parts), (i64::datum_type(), inputs[0].1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let parts: Vec<Vec<&str>> = texts(inputs[0])?.iter().map(|text| self.parts(text)).collect();
        let most = parts.iter().map(Vec::len).max().unwrap_or(0);
        let count = most.checked_mul(parts.len()).filter(|count| *count <= MOST_PARTS);
        ensure!(count.is_some(), "{} texts of up to {most} parts", parts.len());
        let padded = parts
            .iter()
            .flat_map(|parts| (0..most).map(|at| parts.get(at).map_or("", |part| *part).to_owned()));
        let mut shape: TVec<usize> = inputs[0].shape().into();
        shape.push(most);
        let counts = parts.iter().map(|parts| parts.len() as i64).collect();
        Ok(tvec![
            crate::convert::tensor(&shape, padded.collect())?,
            crate::convert::tensor(inputs[0].shape(), counts)?
        ])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    Kept,
    Lower,
    Upper,
}

impl Letters {
    fn of(self, text: &str) -> String {
        match self {
            Letters::Kept => text.to_owned(),
            Letters::Lower => text.to_lowercase(),
            Letters::Upper => text.to_uppercase(),
        }
    }
}

/// Takes [words] or [1, words]. One empty word is given where none is left. Letters are those of Unicode, whatever the
/// locale.
#[derive(Debug)]
struct StringNormalizer {
    letters: Letters,
    /// How words are compared with those that are left out.
    compared: Letters,
    left_out: Vec<String>,
    count: Symbol,
}

pub(super) fn build_normalizer(context: &ParsingContext, node: &NodeProto) -> Built {
    let letters = match node.get_attr_opt::<&str>("case_change_action")?.unwrap_or("NONE") {
        "NONE" => Letters::Kept,
        "LOWER" => Letters::Lower,
        "UPPER" => Letters::Upper,
        other => bail!("its case_change_action {other} is unknown"),
    };
    let is_sensitive = node.get_attr_opt::<i64>("is_case_sensitive")?.unwrap_or(0) != 0;
    let compared = if is_sensitive { Letters::Kept } else { Letters::Lower };
    let left_out = strings(node, "stopwords")?.iter().map(|word| compared.of(word)).collect();
    let count = context.template.symbols.new_with_prefix("words");
    built(StringNormalizer { letters, compared, left_out, count })
}

impl Kernel for StringNormalizer {
    fn name(&self) -> &'static str {
        "StringNormalizer"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        all_texts(inputs)?;
        let [rows @ .., _] = &inputs[0].1[..] else { bail!("no words") };
        ensure!(rows.is_empty() || *rows == [1.to_dim()], "more rows of words than one");
        Ok(tvec![(String::datum_type(), rows.iter().cloned().chain([self.count.clone().into()]).collect())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let is_kept = |word: &&String| !self.left_out.contains(&self.compared.of(word));
        let mut words: Vec<String> =
            texts(inputs[0])?.iter().filter(is_kept).map(|word| self.letters.of(word)).collect();
        if words.is_empty() {
            words.push(String::new());
        }
        let mut shape: TVec<usize> = inputs[0].shape().into();
        if let Some(length) = shape.last_mut() {
            *length = words.len();
        }
        Ok(tvec![crate::convert::tensor(&shape, words)?])
    }
}
