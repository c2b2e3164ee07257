"""Recordings of Azure Kinect and Orbbec depth cameras, without the vendor's SDK."""
