"""The known services, their clients, and the sources of their credentials.

Nothing here displays a credential.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass

from qkeras_hybrid._checks import one_of
from qkeras_hybrid.engines.services.errors import ServiceError


@dataclass(frozen=True)
class Account:
    """A service that sells measurements.

    Attributes:
        service: Its name.
        module: The client.
        install: The package that has it, as pip takes it.
        variables: Environment variables that may hold the credentials; the first set one counts.
    """

    service: str
    module: str
    install: str
    variables: tuple[str, ...]

    @property
    def importable(self) -> bool:
        """Whether the client is installed."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def variable(self) -> str | None:
        """The variable that is set; None if none is."""
        return next((name for name in self.variables if os.environ.get(name)), None)


ACCOUNTS = {
    account.service: account
    for account in (
        Account("IonQ", "cirq_ionq", "qkeras-hybrid[ionq]", ("CIRQ_IONQ_API_KEY", "IONQ_API_KEY")),
        # The client takes the token as an argument; the variable has the name that AQT's Qiskit
        # provider uses.
        Account("AQT", "cirq_aqt", "qkeras-hybrid[aqt]", ("AQT_TOKEN",)),
        # The client also finds a user's login, which `gcloud` stores on disk.
        Account(
            "Google",
            "cirq_google",
            "qkeras-hybrid[google]",
            ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"),
        ),
        # The client takes the token as an argument, and prescribes no name.
        Account("Pasqal", "cirq_pasqal", "qkeras-hybrid[pasqal]", ("PASQAL_TOKEN",)),
        # The client also reads the file that `dwave setup` writes.
        Account("D-Wave", "dwave.system", "qkeras-hybrid[dwave]", ("DWAVE_API_TOKEN",)),
        Account("IBM", "qiskit_ibm_runtime", "qiskit-ibm-runtime", ("QISKIT_IBM_TOKEN",)),
    )
}
"""The services by name."""


def credential(service: str) -> str:
    """Returns the credential of a service from its environment variable.

    It is for clients that take it as an argument.

    Args:
        service: "IonQ", "AQT", "Google", "Pasqal", "D-Wave" or "IBM".

    Raises:
        ServiceError: If no variable of the service is set; it names them.
    """
    account = ACCOUNTS[one_of("service", service, ACCOUNTS)]
    if account.variable is None:
        raise ServiceError(
            f"{service} needs credentials: set the environment variable "
            f"{' or '.join(reversed(account.variables))}."
        )
    return os.environ[account.variable]


def unauthorized_fix(error: BaseException, service: str) -> str:
    """Returns what to do about an error that says that the credentials are wrong, otherwise ""."""
    holders = (error, getattr(error, "response", None))
    codes = {getattr(each, name, None) for each in holders for name in ("status_code", "code")}
    if service not in ACCOUNTS or not codes & {401, 403}:
        return ""
    names = " or ".join(reversed(ACCOUNTS[service].variables))
    return f" Is the credential in the environment variable {names} right?"
