"""A newcomer's network: sixteen latents for each 8×8 block of a picture."""

from torch import Tensor, nn


class BlockAutoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 16, 8, stride=8)
        self.decoder = nn.ConvTranspose2d(16, 3, 8, stride=8)

    def forward(self, x: Tensor) -> Tensor:
        picture: Tensor = self.decoder(self.encoder(x))
        return picture
