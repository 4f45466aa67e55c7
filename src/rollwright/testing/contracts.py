"""What every action, check, store and lock must do, as test classes to subclass.

A plugin's author gives a fixture and inherits the tests::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(path=tmp_path)

The tests are coroutines: pytest-asyncio runs them (``asyncio_mode = "auto"``).
"""

from __future__ import annotations

from rollwright.testing.action_contract import ActionContract
from rollwright.testing.check_contract import CheckContract
from rollwright.testing.feedback_contract import FeedbackContract
from rollwright.testing.lock_contract import LockContract
from rollwright.testing.store_contract import StoreContract

__all__ = [
    "ActionContract",
    "CheckContract",
    "FeedbackContract",
    "LockContract",
    "StoreContract",
]
