"""Steps through tokens and says what was expected where."""

from __future__ import annotations

from typing import NoReturn

from phoenix.association.oca.tokens import Kind, OcaError, Position, Token


class Cursor:
    """A place in a list of tokens that ends with an END. Words are compared without regard to case."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def token(self) -> Token:
        """The token the cursor stands at."""
        return self._tokens[self._at]

    @property
    def position(self) -> Position:
        """Where that token stands."""
        return self.token.position

    @property
    def ended(self) -> bool:
        """Whether all tokens are behind."""
        return self.token.kind is Kind.END

    def at_word(self, *words: str) -> bool:
        """Whether the next token is one of these words."""
        return self.token.kind is Kind.NAME and self.token.text.lower() in words

    def at_sign(self, *signs: str) -> bool:
        """Whether the next token is one of these signs."""
        return self.token.kind is Kind.SIGN and self.token.text in signs

    def take(self) -> Token:
        """Return the token and step over it; the END stays."""
        token = self.token
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def accept_word(self, word: str) -> bool:
        """Step over a word if it is the next."""
        return self.at_word(word) and bool(self.take())

    def accept_sign(self, sign: str) -> bool:
        """Step over a sign if it is the next."""
        return self.at_sign(sign) and bool(self.take())

    def word(self, word: str) -> None:
        """Step over a word that must be the next."""
        if not self.accept_word(word):
            self.fail(f"'{word}'")

    def sign(self, sign: str) -> None:
        """Step over a sign that must be the next."""
        if not self.accept_sign(sign):
            self.fail(f"'{sign}'")

    def name(self, what: str) -> str:
        """Return a name that must be the next, whatever word it is."""
        if self.token.kind is not Kind.NAME:
            self.fail(what)
        return self.take().text

    def fail(self, expected: str) -> NoReturn:
        """Raise the error that something else was expected here."""
        raise OcaError(str(self.position), f"found {self.token}", expected)
