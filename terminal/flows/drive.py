"""Drives a sans-I/O machine: sends its APDUs to a card reader, its other requests to handlers, and its card's failures back into it."""

from protocol.errors import CardError


async def drive(reader, machine, handlers: dict, before=None):  # noqa: ANN001, ANN201 - the machine's own result
    """Run generator `machine` to its end and return its result.

    Requests are tuples: ("apdu", bytes) goes to `reader.transceive`; any other word to `handlers[word](*rest)`, an async function.
    A CardError is thrown into the machine, which lets it out again after cleaning up. `before`, an async function, is awaited before the
    machine goes on with an answer.
    """
    try:
        request = next(machine)
        while True:
            try:
                if request[0] == "apdu":
                    answer = await reader.transceive(request[1])
                else:
                    answer = await handlers[request[0]](*request[1:])
            except CardError as error:
                request = machine.throw(error)
                continue
            if before is not None:
                await before()
            request = machine.send(answer)
    except StopIteration as stop:
        return stop.value
