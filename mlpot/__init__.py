"""mlpot: E(3)-equivariant interatomic potentials in one file, for ASE and LAMMPS."""
