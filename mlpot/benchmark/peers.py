"""Potentials of other packages as ASE calculators, with random weights, where the packages are installed.

None of them is a dependency of mlpot, and none is ever installed by it. They change the state of torch, so they run in
processes of their own (`worker`). Written for mace-torch 0.3, nequip 0.19, nequip-allegro 0.8 and deepmd-kit 3.1.
NequIP and Allegro run without their compilation.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers

CUTOFF = 5.0
"""A"""


@dataclass(frozen=True)
class Peer:
    """A model of another package.

    Attributes
    ----------
    label : str
        Name in tables.
    distribution : str
        What pip calls the package.
    build : callable
        ``(elements, neighbors, precision) -> Calculator``, with the mean number of neighbors.
    """

    label: str
    distribution: str
    build: Callable[[Sequence[str], float, str], Calculator]

    def version(self) -> str | None:
        """Package and version, with that of torch; None where it is not installed."""
        try:
            return f"{self.distribution} {metadata.version(self.distribution)}, torch {torch.__version__}"
        except metadata.PackageNotFoundError:
            return None


def _mace(hidden: str, elements: Sequence[str], neighbors: float, precision: str) -> Calculator:
    from e3nn import o3  # noqa: PLC0415  # only here
    from mace import modules  # noqa: PLC0415  # only where it is installed
    from mace.calculators import MACECalculator  # noqa: PLC0415

    torch.set_default_dtype(_dtype(precision))
    numbers = sorted(atomic_numbers[element] for element in elements)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=CUTOFF,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=len(numbers),
        hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=torch.zeros(len(numbers)).numpy(),
        avg_num_neighbors=neighbors,
        atomic_numbers=numbers,
        correlation=3,
        radial_type="bessel",
        atomic_inter_scale=0.1,
        atomic_inter_shift=0.0,
    )
    dtype = str(_dtype(precision)).removeprefix("torch.")
    return MACECalculator(models=[model], device="cpu", default_dtype=dtype)


def _nequip(layers: int, parity: bool, elements: Sequence[str], neighbors: float, precision: str) -> Calculator:
    from nequip.model import NequIPGNNModel  # noqa: PLC0415  # only where it is installed

    options = {"num_layers": layers, "l_max": 2, "parity": parity, "num_features": 32}
    return _nequip_calculator(NequIPGNNModel, options, elements, neighbors, precision)


def _allegro(elements: Sequence[str], neighbors: float, precision: str) -> Calculator:
    from allegro.model import AllegroModel  # noqa: PLC0415  # only where it is installed

    embedding = {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 8}
    options = {"num_layers": 2, "l_max": 2, "num_scalar_features": 64, "num_tensor_features": 32}
    return _nequip_calculator(
        AllegroModel, {**options, "radial_chemical_embed": embedding}, elements, neighbors, precision
    )


def _nequip_calculator(
    builder: Callable[..., Any], options: dict[str, Any], elements: Sequence[str], neighbors: float, precision: str
) -> Calculator:
    """Make the calculator for a model of the NequIP framework; types are named by their elements."""
    from nequip.ase import NequIPCalculator  # noqa: PLC0415  # only where it is installed
    from nequip.integrations.utils import basic_transforms  # noqa: PLC0415
    from nequip.utils.global_state import set_global_state  # noqa: PLC0415

    set_global_state()
    model = builder(
        seed=0,
        model_dtype=str(_dtype(precision)).removeprefix("torch."),
        r_max=CUTOFF,
        type_names=list(elements),
        avg_num_neighbors=neighbors,
        per_type_energy_scales=0.1,
        per_type_energy_shifts=0.0,
        **options,
    ).eval()
    transforms = basic_transforms(model.metadata, CUTOFF, list(elements), {element: element for element in elements})
    return NequIPCalculator(model, device="cpu", transforms=transforms)


def _deepmd(descriptor: dict[str, Any], elements: Sequence[str], neighbors: float, precision: str) -> Calculator:
    from deepmd.calculator import DP  # noqa: PLC0415  # only where it is installed
    from deepmd.pt.model.model import get_model  # noqa: PLC0415

    kind = {"precision": str(_dtype(precision)).removeprefix("torch."), "seed": 1}
    room = 4 * round(1.5 * neighbors / 4 + 1)  # more neighbors than there ever are
    selected = [room] * len(elements) if descriptor["type"] == "se_e2_a" else room
    shape = {"rcut": CUTOFF, "rcut_smth": 0.5, "neuron": [25, 50, 100], "axis_neuron": 16, "type_one_side": True}
    model = get_model(
        {
            "type_map": list(elements),
            "descriptor": {**shape, **descriptor, **kind, "sel": selected},
            "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": True, **kind},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "frozen.pth")
        torch.jit.save(torch.jit.script(model.eval()), path)
        return DP(path)


def _dtype(precision: str) -> torch.dtype:
    return torch.float64 if precision == "double" else torch.float32


_ATTENTION = {"type": "se_atten", "tebd_dim": 8, "attn": 128, "attn_layer": 2, "attn_dotr": True, "attn_mask": False}
PEERS = {
    "mace-small": Peer("MACE small", "mace-torch", partial(_mace, "64x0e")),
    "mace-medium": Peer("MACE medium", "mace-torch", partial(_mace, "128x0e + 128x1o")),
    "nequip-2": Peer("NequIP 2 layers", "nequip", partial(_nequip, 2, False)),
    "nequip-4": Peer("NequIP 4 layers", "nequip", partial(_nequip, 4, True)),
    "allegro": Peer("Allegro 2 layers", "nequip-allegro", _allegro),
    "deepmd-se_e2_a": Peer("DeePMD se_e2_a", "deepmd-kit", partial(_deepmd, {"type": "se_e2_a"})),
    "deepmd-dpa1": Peer("DeePMD DPA-1", "deepmd-kit", partial(_deepmd, _ATTENTION)),
}
"""Name on the command line -> model."""
