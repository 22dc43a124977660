"""The values that every layer speaks."""


class FixedClock:
    def __init__(self, micros: int) -> None:
        self.micros = micros

    def now(self) -> int:
        return self.micros

    def trusted(self, span: int) -> bool:
        return True


class FixedRandomness:
    def __init__(self, value: int) -> None:
        self.value = value

    def bytes(self, count: int) -> bytes:
        return self.value.to_bytes(count)

    def below(self, limit: int) -> int:
        return self.value % limit
