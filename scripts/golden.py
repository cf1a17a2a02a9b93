#!/usr/bin/env python3
"""Writes what ONNX Runtime gives for some rows: `python golden.py MODEL.onnx ROWS.csv >golden.json`, after
`pip install onnxruntime`. `dunlin model push MODEL.onnx --golden golden.json` has the agent's numbers compared with it.

The first line of ROWS.csv names the columns. They fill the model's inputs in order: an input of one column by its own
name, others by as many of the columns that are left as it has. Without ROWS.csv each input is made up once.
"""
import csv
import json
import math
import sys

import numpy as np
import onnxruntime

MOST_ROWS = 100
TYPES = {
    "float16": ("FP16", np.float16), "float": ("FP32", np.float32), "double": ("FP64", np.float64),
    "bool": ("BOOL", np.bool_), "string": ("BYTES", object),
    **{f"{sign}int{bits}": (f"{sign.upper()}INT{bits}", np.dtype(f"{sign}int{bits}").type)
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def kind(value):
    """The protocol's name of an input's or output's type, and numpy's."""
    inner = value.type.removeprefix("tensor(").removesuffix(")")
    if inner not in TYPES:
        sys.exit(f"golden: {value.name} is a {value.type}, which cannot be compared; export the model without it")
    return TYPES[inner]


def parsed(cell, to):
    """A cell in the input's type; an empty one is missing."""
    if to is object:
        return cell
    if to is np.bool_:
        return cell.strip().lower() in ("true", "1")
    return to(float(cell)) if cell.strip() else to(np.nan)


def from_table(inputs, path):
    """The model's inputs out of the rows of a table."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))[:MOST_ROWS]
    if not rows:
        sys.exit(f"golden: {path} has no rows")
    left, feeds = [name for name in rows[0] if name is not None], {}
    for value in inputs:
        width = value.shape[1] if len(value.shape) == 2 and isinstance(value.shape[1], int) else 1
        named = value.name in left and width == 1
        columns = [value.name] if named else left[:width]
        if len(columns) < width:
            sys.exit(f"golden: input {value.name} takes {width} columns, {path} has {len(columns)} left for it")
        left = [name for name in left if name not in columns]
        array = np.array([[parsed(row[name], kind(value)[1]) for name in columns] for row in rows], kind(value)[1])
        feeds[value.name] = array if len(value.shape) == 2 else array.reshape(-1)
    return feeds


def made_up(value):
    """Numbers between -1 and 1, one row."""
    shape = [length if isinstance(length, int) else 1 for length in value.shape]
    numbers = np.sin(np.arange(math.prod(shape))).reshape(shape)
    to = kind(value)[1]
    if to is object:
        return np.full(shape, "a", object)
    return (numbers if np.issubdtype(to, np.floating) else np.abs(numbers * 2)).astype(to)


def tensor(name, array, datatype):
    """A tensor of the Open Inference Protocol. JSON has no NaN: null stands for it."""
    flat = [None if isinstance(x, float) and math.isnan(x) else x for x in array.reshape(-1).tolist()]
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": flat}


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    feeds = from_table(inputs, sys.argv[2]) if len(sys.argv) == 3 else {v.name: made_up(v) for v in inputs}
    outputs = session.get_outputs()
    # What a ZipMap gives is a list of dictionaries: the agent gives the matrix before it.
    answers = zip(outputs, session.run(None, feeds))
    told = []
    for value, answer in answers:
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            told.append(tensor(value.name, np.array([list(row.values()) for row in answer], np.float32), "FP32"))
        else:
            told.append(tensor(value.name, np.asarray(answer), kind(value)[0]))
    json.dump({
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "inputs": [tensor(value.name, feeds[value.name], kind(value)[0]) for value in inputs],
        "outputs": told,
    }, sys.stdout)
    print()


if __name__ == "__main__":
    main()
