"""Packages of others from PyPI that the engine is measured beside, in folders of their own under target/packages."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "target" / "packages"
LLAMA_CPP = ("llama-cpp-python", "0.3.36")
GGUF = ("gguf", "0.19.0")
TORCH = ("torch", "2.15.0")


def installed(package, *options, **environment):
    """The folder of a package, which is installed there the first time."""
    name, version = package
    folder = PACKAGES / f"{name}-{version}"
    if not (folder / "complete").exists():
        print(f"installing {name} {version}", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += [*options, "--target", str(folder), f"{name}=={version}"]
        subprocess.run(command, check=True, env=os.environ | environment)
        (folder / "complete").touch()
    return str(folder)


def llama_cpp():
    """The folder of llama.cpp, compiled for this processor."""
    build = {"CMAKE_ARGS": "-DGGML_NATIVE=ON -DCMAKE_BUILD_TYPE=Release"}
    return installed(LLAMA_CPP, "--no-binary", LLAMA_CPP[0], **build)
