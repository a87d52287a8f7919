"""What every function that certifies in floating point needs: plain inputs, a probed arithmetic."""
