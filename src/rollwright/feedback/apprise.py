"""``apprise``: chat, mail and more, as the address of each says: Slack, Teams, Matrix, SMTP.

Before: a run planned, began or ended. After: people read it where they are.

The addresses hold tokens, so they are named, never written into a document. The library works in
a thread; one that hangs is left alone, and keeps nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from rollwright.errors import RolloutError, Unreachable
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, read_secret
from rollwright.rollouts.feedback import Feedback, Severity
from rollwright.rollouts.spec.durations import PositiveDuration, format_duration

_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "failure"}


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Apprise(BaseModel):
    """Sends a message to addresses as Apprise reads them."""

    model_config = OPTIONS

    url: Annotated[tuple[NamedSecret, ...], BeforeValidator(_as_list)] = Field(
        min_length=1,
        description="Where an address of Apprise is: {env: NAME} or {file: PATH}, or a list;"
        " several in one stand on lines of their own.",
    )
    timeout: PositiveDuration = Field(
        default=timedelta(seconds=10),
        description="How long sending may take.",
        json_schema_extra={"default": "10s"},
    )

    async def tell(self, feedback: Feedback) -> None:
        """Send it to every address."""
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                is_sent = await _in_thread(lambda: self._send(feedback))
        except TimeoutError:
            words = f"apprise: not sent within {format_duration(self.timeout)}"
            raise Unreachable(words) from None
        if not is_sent:
            raise Unreachable("apprise: not every address took it", hint="check the addresses")

    def _send(self, feedback: Feedback) -> bool:
        import apprise  # noqa: PLC0415  (0.3 s; only who sends needs it)

        asset = apprise.AppriseAsset()
        # What stands in headers would go wherever an answer points to.
        asset.http_redirects = False
        sender = apprise.Apprise(asset=asset)
        for number, source in enumerate(self.url):
            text = read_secret(source, f"address {number} of apprise")
            for line in filter(None, map(str.strip, text.splitlines())):
                if not sender.add(line):
                    # The address is not quoted: it holds tokens.
                    raise RolloutError(f"apprise: address {number} is of no kind that it knows")
        return bool(
            sender.notify(
                title=feedback.title,
                body=feedback.markdown or feedback.message or feedback.title,
                body_format=apprise.NotifyFormat.MARKDOWN,
                notify_type=_TYPES[feedback.severity],
            )
        )


async def _in_thread(work: Callable[[], bool]) -> bool:
    """Call it in a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def settle(result: bool, error: BaseException | None) -> None:  # noqa: FBT001  (what the work returned)
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        result, fault = False, None
        try:
            result = work()
        except RolloutError as error:
            fault = error
        except Exception as error:  # noqa: BLE001  (whatever a library of many services raises)
            # Its words may hold an address.
            fault = RolloutError(f"apprise: unexpected {type(error).__name__}", retryable=True)
        try:
            loop.call_soon_threadsafe(settle, result, fault)
        except RuntimeError:
            return  # the loop has ended; nobody waits any more

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return await done
