"""Passes a token around all ranks of an MPI program, each of which adds its own number."""

from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.Get_rank(), world.Get_size()
if rank == 0:
    world.send([0], dest=1 % size)
    token = world.recv(source=size - 1)
    print(f"the token passed {size} ranks: {token}")
else:
    token = world.recv(source=rank - 1)
    world.send(token + [rank], dest=(rank + 1) % size)
