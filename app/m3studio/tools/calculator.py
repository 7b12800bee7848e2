"""A calculator: evaluates one arithmetic expression, exactly where that is possible. Runs no code and knows no names
but its own."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from m3studio.errors import ToolError
from m3studio.messages import Tool
from m3studio.tools import Permission, RunnableTool, ToolContext, ToolResult

LONGEST = 400  # characters of an expression
MOST_BITS = 4096  # of any number on the way: no power or factorial may keep the machine busy
DEEPEST = 50  # brackets and operators within each other
SPEC = Tool(
    "calculator",
    "Calculates: evaluates an arithmetic expression such as (3 + 4) * 12.5 and returns the number.",
    {
        "type": "object",
        "properties": {
            "expression": {
                "type": "string",
                "description": "+ - * / // % ** ( ), sqrt, cbrt, exp, log, log2, log10, sin, cos, tan, asin, acos, "
                "atan, abs, round, floor, ceil, factorial, gcd, lcm, min, max, degrees, radians, pi, e, tau",
                "pattern": "^[0-9a-zA-Z(+√π−–-][0-9a-zA-Z+*/%^(),.−–×·÷π√ -]*$",
                "minLength": 1,
                "maxLength": LONGEST,
            }
        },
        "required": ["expression"],
        "additionalProperties": False,
    },
)

Number = int | float | Fraction
_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_FLOATS: Mapping[str, Callable[..., float]] = {
    name: getattr(math, name)
    for name in (
        *("sqrt", "cbrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan"),
        *("degrees", "radians"),
    )
}
_EXACT: Mapping[str, Callable[..., Number]] = {
    "abs": abs,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "min": min,
    "max": max,
}
_WHOLE: Mapping[str, Callable[..., int]] = {"gcd": math.gcd, "lcm": math.lcm}
_WRITTEN = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "π": "pi", "^": "**", "√": "sqrt"})
_THOUSANDS = re.compile(r"(?<![\d.,(\w])(\d{1,3}(?:,\d{3})+)(?![\d,])")


def evaluate(expression: str) -> Number:
    """The value of `expression`, a Fraction where it is exact and not whole. Raises `ToolError`."""
    if len(expression) > LONGEST:
        raise ToolError(f"The expression has {len(expression):,} characters; {LONGEST:,} are the most.")
    text = expression.translate(_WRITTEN).strip().removesuffix("=").strip()
    text = _THOUSANDS.sub(lambda found: found.group().replace(",", ""), text)
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolError(f"“{expression}” is no arithmetic expression. Write one such as (3 + 4) * 12.5.") from None
    try:
        return _value(tree.body, 0)
    except ZeroDivisionError:
        raise ToolError("That divides by zero.") from None
    except (OverflowError, ValueError, TypeError) as error:
        raise ToolError(f"That has no value: {error}.") from None


def _value(node: ast.expr, depth: int) -> Number:
    if depth > DEEPEST:
        raise ToolError("The expression is nested too deeply.")
    match node:
        case ast.Constant(value=bool()):
            raise ToolError("Only numbers can be calculated with.")
        case ast.Constant(value=int() as value):
            return _bounded(value)
        case ast.Constant(value=float() as value):
            return _bounded(Fraction(repr(value)) if math.isfinite(value) else value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth + 1)
        case ast.BinOp(left=left, op=op, right=right):
            return _bounded(_combined(op, _value(left, depth + 1), _value(right, depth + 1)))
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _bounded(_called(name, [_value(argument, depth + 1) for argument in args]))
    raise ToolError(f"“{ast.unparse(node)[:60]}” is nothing that a calculator knows.")


def _combined(op: ast.operator, left: Number, right: Number) -> Number:
    if isinstance(op, ast.Pow):
        return _power(left, right)
    if isinstance(op, ast.Div):
        return left / right if isinstance(left, float) or isinstance(right, float) else Fraction(left) / Fraction(right)
    if type(op) not in _OPERATORS:
        raise ToolError("This calculator knows + - * / // % and **.")
    return _OPERATORS[type(op)](left, right)


def _power(base: Number, exponent: Number) -> Number:
    """A power, if its size is known to be sane before it is computed."""
    whole = isinstance(exponent, int) or (isinstance(exponent, Fraction) and exponent.denominator == 1)
    if whole and not isinstance(base, float):
        size = max(abs(Fraction(base).numerator).bit_length(), Fraction(base).denominator.bit_length())
        if size > 1 and size * abs(int(exponent)) > MOST_BITS:
            raise ToolError("This power is too large to be written out. Use logarithms.")
        return Fraction(base) ** int(exponent)
    value: float | complex = float(base) ** float(exponent)
    if isinstance(value, complex):
        raise ToolError("The root of a negative number is not real.")
    return value


def _called(name: str, values: list[Number]) -> Number:
    if name in _FLOATS:
        return float(_FLOATS[name](*map(float, values)))
    if name == "round" and len(values) == 2:
        return round(Fraction(values[0]), max(-300, min(300, int(values[1]))))
    if name in _EXACT:
        return _EXACT[name](*values)
    whole = [int(value) for value in values]
    if name in (*_WHOLE, "factorial") and whole != values:
        raise ToolError(f"{name} needs whole numbers.")
    if name in _WHOLE:
        return _WHOLE[name](*whole)
    if name == "factorial" and len(whole) == 1:
        if whole[0] > 400:
            raise ToolError("The factorial of more than 400 is too large to be written out.")
        return math.factorial(whole[0])
    raise ToolError(f"There is no function “{name}” in this calculator.")


def _bounded(value: Number) -> Number:
    if isinstance(value, float):
        return value
    if max(abs(value.numerator).bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise ToolError("The numbers on the way get too large to be written out.")
    return value


def shown(value: Number) -> str:
    """The number as text: whole, or a decimal of up to 15 digits. Raises `ToolError`."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = value.numerator
    if isinstance(value, int):
        return str(value)
    try:
        return f"{float(value):.15g}"
    except OverflowError:
        raise ToolError("The number is too large to be written out.") from None


@dataclass(frozen=True, slots=True)
class Calculator:
    """See `SPEC`."""

    spec: Tool = SPEC
    permission: Permission = Permission.SAFE

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> ToolResult:
        return ToolResult(shown(evaluate(str(arguments["expression"]))))


def tool() -> RunnableTool:
    """The tool of this file."""
    return Calculator()
